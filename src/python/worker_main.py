# The parent of Python workers: imports what functions need once, then forks a worker per request in a few milliseconds.
#
# It is asked over a SOCK_SEQPACKET socket (its number is argv[1]):
#   b"f" with a socket attached   fork a worker that serves that socket; answer: its pid, int32
#   b"k" + pid (int32)            kill the worker and everything in its process group; answer: its wait status, int32,
#                                 and why this process has ended it, if it has
# It ends when the server does (the socket closes), and takes all workers along. Workers that are not asked for again stay zombies
# until "k", so that a pid is never somebody else's.
#
# A worker speaks PySpark's worker protocol, preceded by one frame of JSON per task: {"env": {...}, "types": {...}}; with "module" it
# is the protocol of that planner of pyspark.sql.worker.
import ctypes
import gc
import importlib
import io
import itertools
import json
import os
import resource
import select
import signal
import socket
import struct
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


def die_with_parent(parent):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


class Receiver(io.RawIOBase):
    """The task's input. Before it waits for more, everything computed so far is sent: the server never waits for a full buffer."""

    def __init__(self, sock, out):
        self.sock, self.out = sock, out

    def readable(self):
        return True

    def readinto(self, buffer):
        self.out.flush()
        return self.sock.recv_into(buffer)


class Sender(io.RawIOBase):
    def __init__(self, sock):
        self.sock = sock

    def writable(self):
        return True

    def write(self, data):
        return self.sock.send(data)


def read_exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        os._exit(0)  # the server has let go of this worker
    return data


def serve(sock):
    import pyspark.worker as worker

    out = io.BufferedWriter(Sender(sock), 1 << 16)
    inp = io.BufferedReader(Receiver(sock, out), 1 << 16)
    install_adapters(worker)
    install_barrier()
    environment = dict(os.environ)
    directory = os.getcwd()
    while True:
        (size,) = struct.unpack("!i", read_exactly(inp, 4))
        prelude = json.loads(read_exactly(inp, size))
        os.environ.clear()
        os.environ.update(environment)
        os.environ.update(prelude["env"])
        TASK.clear()
        TASK.update(prelude)
        if prelude.get("directory"):
            if prelude.get("archives"):
                unpack(prelude["directory"], prelude["archives"])
            os.chdir(prelude["directory"])
        limit_cpu(prelude.get("cpu_seconds"))
        try:
            if prelude.get("module"):
                importlib.import_module(prelude["module"]).main(inp, out)
            else:
                worker.main(inp, out)
        except SystemExit:
            try:
                out.flush()
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(1)
        out.flush()
        sys.stdout.flush()
        sys.stderr.flush()
        os.chdir(directory)
        gc.collect()


def limit_cpu(seconds):
    """So many seconds of CPU time from now on, for this process and each that it starts."""
    limit = resource.RLIM_INFINITY
    if seconds:
        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


def install_barrier():
    """A barrier stage has one task here: whoever waits for the others has met them."""
    from pyspark.taskcontext import BarrierTaskContext

    BarrierTaskContext.barrier = lambda self: None
    BarrierTaskContext.allGather = lambda self, message="": [message]


def unpack(directory, archives):
    """Each archive in its folder, complete or not at all: several workers may come at once."""
    import shutil
    import tarfile
    import zipfile

    for file, name in archives:
        target = os.path.join(directory, name)
        if os.path.exists(target):
            continue
        fresh = "%s.new-%d" % (target, os.getpid())
        try:
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    archive.extractall(fresh)
            elif tarfile.is_tarfile(file):
                with tarfile.open(file) as archive:
                    archive.extractall(fresh, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
            else:
                shutil.copy(file, fresh)
            os.rename(fresh, target)
        except Exception as e:
            shutil.rmtree(fresh, ignore_errors=True)
            if not os.path.exists(target):
                print("the archive %s cannot be unpacked: %s" % (name, e), file=sys.stderr)


# ---- Functions that Spark feeds with pickled rows (eval types 100 and 300). The server sends Arrow to them too; what Python rows the
# function sees and how its results become column values follows Spark's EvaluatePython: a value of another type than declared is null,
# numbers are narrowed as Java does.

TASK = {}


def install_adapters(worker):
    from pyspark.serializers import Serializer
    from pyspark.util import PythonEvalType

    class TableRows(Serializer):
        def load_stream(self, stream):
            import pyarrow as pa

            converters = input_converters()
            for batch in pa.ipc.open_stream(stream):
                columns = python_columns(batch, converters)
                yield from zip(*columns) if columns else itertools.repeat((), batch.num_rows)

        def dump_stream(self, iterator, stream):
            from pyspark.sql.pandas.types import to_arrow_type
            from pyspark.sql.types import _parse_datatype_json_string

            (row_type,) = map(_parse_datatype_json_string, TASK["types"]["output"])
            yield_tables(iterator, stream, row_type, to_arrow_type(row_type, timezone="UTC"), coercion(row_type))

    batched, read_udfs = worker.BatchedSerializer, worker.read_udfs
    worker.BatchedSerializer = lambda *args: TableRows() if TASK.get("types") else batched(*args)

    def read(pickler, infile, eval_type, runner_conf, eval_conf):
        if eval_type == PythonEvalType.SQL_BATCHED_UDF and TASK.get("types"):
            return read_pickled_functions(worker, pickler, infile, runner_conf)
        if eval_type == PythonEvalType.SQL_ARROW_BATCHED_UDF and not runner_conf.use_legacy_pandas_udf_conversion and runner_conf.arrow_concurrency_level <= 0:
            return read_arrow_functions(worker, pickler, infile, runner_conf, eval_conf)
        if eval_type == PythonEvalType.SQL_GROUPED_MAP_PANDAS_UDF:
            evaluate, *rest = read_udfs(pickler, infile, eval_type, runner_conf, eval_conf)
            return (grouped_frames(worker, evaluate), *rest)
        return read_udfs(pickler, infile, eval_type, runner_conf, eval_conf)

    worker.read_udfs = read

    # Frames of PySpark are left out of tracebacks; these stand for some.
    for function in (TableRows.load_stream, TableRows.dump_stream, yield_tables, python_columns, read_pickled_functions, read_arrow_functions,
                     grouped_frames, evaluation, over_columns, to_arrow, coercion, unfit, java_text):
        function.__code__ = told_as(function.__code__, os.path.join(os.path.dirname(worker.__file__), "tarn_worker.py"))


def told_as(code, file):
    """The code as that of a file, in tracebacks."""
    consts = tuple(told_as(c, file) if isinstance(c, type(code)) else c for c in code.co_consts)
    return code.replace(co_filename=file, co_consts=consts)


# ---- Functions of rows (eval types 100 and 101). They are called value by value in worker.py's order, and see and give what they do there.
# What is faster: columns come out of Arrow and go back into it whole, and nothing stands between the loop over a column and the user's code.


def read_pickled_functions(worker, pickler, infile, runner_conf):
    """What worker.read_udfs gives."""
    from pyspark.sql.pandas.types import to_arrow_type
    from pyspark.sql.types import _parse_datatype_json_string
    from pyspark.util import PythonEvalType, fail_on_stopiteration

    functions = read_functions(worker, pickler, infile, PythonEvalType.SQL_BATCHED_UDF, runner_conf)
    types = [_parse_datatype_json_string(t) for t in TASK["types"]["output"]]
    outputs = [
        (to_arrow_type(t, timezone="UTC"), plain_class(t), returned.toInternal if returned.needConversion() else None, coercion(t))
        for t, (_, _, returned) in zip(types, functions)
    ]
    each = [over_columns(f, offsets) for f, offsets, _ in functions]
    calls = [(fail_on_stopiteration(f), offsets) for f, offsets, _ in functions]

    def results(columns, rows):
        if len(each) == 1 or rows == 0:
            return [f(columns, rows) for f in each]
        # Row by row: zip asks each function for one value before any is asked for the next.
        values = [
            map(f, *[columns[o] for o in offsets]) if offsets else itertools.starmap(f, itertools.repeat((), rows)) for f, offsets in calls
        ]
        return zip(*zip(*values))

    def arrays(columns, rows):
        return [to_arrow(values, *output) for values, output in zip(results(columns, rows), outputs)]

    return evaluation(input_converters(), arrays)


def read_arrow_functions(worker, pickler, infile, runner_conf, eval_conf):
    """What worker.read_udfs gives."""
    import pyarrow as pa
    from pyspark.sql.conversion import ArrowTableToRowsConversion, LocalDataToArrowConversion
    from pyspark.sql.pandas.types import to_arrow_type
    from pyspark.util import PythonEvalType

    functions = [
        (
            over_columns(f, offsets),
            LocalDataToArrowConversion._create_converter(
                returned, none_on_identity=True, int_to_decimal_coercion_enabled=runner_conf.int_to_decimal_coercion_enabled
            ),
            to_arrow_type(returned, timezone="UTC", prefers_large_types=runner_conf.use_large_var_types),
        )
        for f, offsets, returned in read_functions(worker, pickler, infile, PythonEvalType.SQL_ARROW_BATCHED_UDF, runner_conf)
    ]
    converters = [
        ArrowTableToRowsConversion._create_converter(f.dataType, none_on_identity=True, binary_as_bytes=runner_conf.binary_as_bytes)
        for f in eval_conf.input_type
    ]

    def array(values, arrow_type):
        try:
            return pa.array(values, type=arrow_type)
        except pa.ArrowInvalid:
            return pa.array(values).cast(target_type=arrow_type, safe=runner_conf.safecheck)

    def arrays(columns, rows):
        out = []
        for function, convert, arrow_type in functions:
            values = function(columns, rows)
            out.append(array(values if convert is None else [convert(v) for v in values], arrow_type))
        return out

    return evaluation(converters, arrays)


def grouped_frames(worker, evaluate):
    """worker.py's evaluation of applyInPandas, with another way for columns of plain numbers, where most of the time of a small group goes into
    making Series of Arrow's columns, a frame of those, and Arrow of its columns. Everything else goes the way it does there."""
    import pandas as pd
    import pyarrow as pa

    cells = dict(zip(evaluate.__code__.co_freevars, (c.cell_contents for c in evaluate.__closure__)))
    try:
        function, arguments, offsets = cells["grouped_udf"], cells["num_udf_args"], cells["value_offsets"]
        returned, schema, conf = cells["return_type"], cells["output_schema"], cells["runner_conf"]
    except KeyError:  # another worker.py
        return evaluate
    if arguments != 1 or conf.prefer_int_ext_dtype:
        return evaluate
    names = returned.names

    def is_plain(t):
        return pa.types.is_integer(t) or pa.types.is_float32(t) or pa.types.is_float64(t)

    def frame_of(batch):
        columns = {}
        for o in offsets:
            c = batch.column(o)
            if not is_plain(c.type) or (c.null_count and pa.types.is_integer(c.type)):
                return None
            columns[batch.schema.names[o]] = c.to_numpy(zero_copy_only=False)
        return pd.DataFrame(columns) if len(columns) == len(offsets) > 0 else None

    def batch_of(result, fields):
        # The types are those that Arrow gives to what NumPy holds: nothing is cast. NaN is null, as there.
        if type(result) is not pd.DataFrame or list(result.columns) != names:
            return None
        arrays = []
        for i, (field, dtype) in enumerate(zip(fields, result.dtypes)):
            if not is_plain(field.type) or field.type.to_pandas_dtype() != dtype:
                return None
            arrays.append(pa.array(result.iloc[:, i].to_numpy(), type=field.type, from_pandas=True))
        return pa.RecordBatch.from_arrays([pa.StructArray.from_arrays(arrays, fields=fields)], ["_0"])

    def grouped(index, data):
        fields = None
        for group in data:
            batches = list(group)
            frame = frame_of(batches[0]) if len(batches) == 1 else None
            if frame is None:
                yield from evaluate(index, iter([batches]))
                continue
            result = function(frame)
            del batches, frame
            batch = batch_of(result, fields) if fields and conf.assign_cols_by_name else None
            if batch is None:
                worker.verify_pandas_result(result, returned, conf.assign_cols_by_name, truncate_return_schema=False)
                batch = worker.PandasToArrowConversion.convert(
                    [result],
                    schema,
                    timezone=conf.timezone,
                    safecheck=conf.safecheck,
                    arrow_cast=True,
                    prefers_large_types=conf.use_large_var_types,
                    assign_cols_by_name=conf.assign_cols_by_name,
                    int_to_decimal_coercion_enabled=conf.int_to_decimal_coercion_enabled,
                )
                if len(result.columns) == len(names):
                    fields = list(batch.schema.field(0).type)
            yield batch
            del result

    return grouped


def evaluation(converters, arrays):
    """The function, profiler and serializers of a task. arrays: of the Python values of a batch's columns and the number of its rows."""
    import pyarrow as pa
    from pyspark.sql.pandas.serializers import ArrowStreamSerializer

    def evaluate(_, batches):
        for batch in batches:
            out = arrays(python_columns(batch, converters), batch.num_rows)
            yield pa.RecordBatch.from_arrays(out, ["_%d" % i for i in range(len(out))])

    stream = ArrowStreamSerializer(write_start_stream=True)
    return evaluate, None, stream, stream


def over_columns(call, offsets):
    """The function of a row as one of a batch's columns and its number of rows: a list."""
    from pyspark.util import fail_on_stopiteration

    @fail_on_stopiteration
    def results(columns, rows):
        if len(offsets) == 1:
            return [call(v) for v in columns[offsets[0]]]
        if not offsets:
            return [call() for _ in range(rows)]
        return [call(*row) for row in zip(*[columns[o] for o in offsets])]

    return results


def read_functions(worker, pickler, infile, eval_type, runner_conf):
    """What worker.read_single_udf reads, for each function: what to call with the values of a row, where they are, and its type."""
    from pyspark.serializers import UTF8Deserializer, read_bool, read_int, read_long

    functions = []
    for _ in range(read_int(infile)):
        arguments, keywords = [], {}
        for _ in range(read_int(infile)):
            offset = read_int(infile)
            if read_bool(infile):
                keywords[UTF8Deserializer().loads(infile)] = offset
            else:
                arguments.append(offset)
        function = None
        for _ in range(read_int(infile)):
            f, return_type = worker.read_command(pickler, infile)
            function = f if function is None else worker.chain(function, f)
        result_id = read_long(infile)
        profile = {"perf": worker.wrap_perf_profiler, "memory": worker.wrap_memory_profiler}.get(runner_conf.udf_profiler)
        if profile:
            function = profile(function, eval_type, result_id)
        functions.append((*worker.wrap_kwargs_support(function, arguments, keywords), return_type))
    return functions


def input_converters():
    """For each column what makes of Arrow's Python values those that functions see; None: nothing."""
    from pyspark.sql.conversion import ArrowTableToRowsConversion
    from pyspark.sql.types import _parse_datatype_json_string

    types = TASK["types"]
    return [
        ArrowTableToRowsConversion._create_converter(f.dataType, none_on_identity=True, binary_as_bytes=types["bytes"])
        for f in _parse_datatype_json_string(types["input"]).fields
    ]


def python_columns(batch, converters):
    from pyspark.sql.conversion import ArrowTableToRowsConversion

    columns = [ArrowTableToRowsConversion._to_pylist(c) for c in batch.itercolumns()]
    return [c if convert is None else [convert(v) for v in c] for c, convert in zip(columns, converters)]


def to_arrow(values, arrow_type, plain, to_internal, coerce):
    import pyarrow as pa

    if plain is not None and set(map(type, values)) <= {plain, type(None)}:
        try:
            return pa.array(values, type=arrow_type)
        except (pa.ArrowInvalid, OverflowError):
            pass  # a number that the type does not hold
    if to_internal is not None:
        values = map(to_internal, values)
    return pa.array([coerce(v) for v in values], type=arrow_type)


def plain_class(data_type):
    """The class whose values Arrow takes as they are, as if each had gone through toInternal and coercion(); None: there is none."""
    import datetime
    from pyspark.sql import types as t

    classes = {t.BooleanType: bool, t.ByteType: int, t.ShortType: int, t.IntegerType: int, t.LongType: int, t.FloatType: float,
               t.DoubleType: float, t.StringType: str, t.BinaryType: bytes, t.DateType: datetime.date}
    return classes.get(type(data_type))


def yield_tables(iterator, stream, data_type, arrow_type, coerce):
    """A batch for each row of the input, and for what terminate() gives."""
    import pyarrow as pa
    from pyspark.serializers import write_int

    schema = pa.schema([pa.field("_0", arrow_type)])
    writer = None
    try:
        for rows in iterator:
            batch = pa.RecordBatch.from_arrays([pa.array([coerce(r) for r in rows], type=arrow_type)], schema=schema)
            if writer is None:
                write_int(-6, stream)
                writer = pa.RecordBatchStreamWriter(stream, schema)
            writer.write_batch(batch)
    finally:
        if writer is not None:
            writer.close()


class PickleException(Exception):
    """What the unpickler of Spark's JVM throws; the server tells it by its name (worker_errors.cc)."""


PickleException.__module__ = "net.razorvine.pickle"


def unfit(v):
    """The column value of a Python value of another type than declared: null. Spark has unpickled it by then, and its unpickler refuses
    objects of classes it does not know if they are made of arguments, wherever they stand."""
    if v is None:
        return None
    import array
    import copyreg
    import datetime
    import decimal

    kind = type(v)
    if kind in (list, tuple, set, frozenset):
        for x in v:
            unfit(x)
    elif kind is dict:
        for k, x in v.items():
            unfit(k)
            unfit(x)
    elif kind not in (type(None), bool, int, float, complex, str, bytes, bytearray, decimal.Decimal, datetime.date, datetime.datetime,
                      datetime.time, datetime.timedelta, array.array):
        reduced = v.__reduce_ex__(2)
        maker, arguments = (reduced[1][0], reduced[1][1:]) if isinstance(reduced, tuple) and reduced[0] is copyreg.__newobj__ else reduced[:2]
        if arguments and not isinstance(reduced, str):
            raise PickleException(
                "expected zero arguments for construction of ClassDict (for %s.%s). This happens when an unsupported/unregistered class is "
                "being unpickled that requires construction arguments. Fix it by registering a custom IObjectConstructor for this class."
                % (getattr(maker, "__module__", "builtins"), getattr(maker, "__name__", maker)))
    return None


def coercion(data_type):
    import datetime
    import decimal
    from pyspark.sql import types as t

    kind = type(data_type)
    if kind is t.BooleanType:
        return lambda v: v if type(v) is bool else unfit(v)
    if kind in (t.ByteType, t.ShortType, t.IntegerType, t.LongType):
        bits = {t.ByteType: 8, t.ShortType: 16, t.IntegerType: 32, t.LongType: 64}[kind]
        half, whole = 1 << (bits - 1), 1 << bits

        def integer(v):
            if type(v) is bool or not isinstance(v, int) or not -(1 << 63) <= v < (1 << 63):
                return unfit(v)
            return (v + half) % whole - half

        return integer
    if kind in (t.FloatType, t.DoubleType):
        return lambda v: v if isinstance(v, float) else unfit(v)
    if isinstance(data_type, t.DecimalType):
        quantum = decimal.Decimal(1).scaleb(-data_type.scale)
        limit = decimal.Decimal(10) ** (data_type.precision - data_type.scale)
        context = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_UP)

        def dec(v):
            if not isinstance(v, decimal.Decimal) or not v.is_finite():
                return unfit(v)
            v = v.quantize(quantum, context=context)
            return v if abs(v) < limit else None

        return dec
    if kind is t.DateType:
        epoch = datetime.date(1970, 1, 1)
        return lambda v: epoch + datetime.timedelta(days=v) if type(v) is int else unfit(v)
    if kind is t.TimestampType:
        start = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return lambda v: start + datetime.timedelta(microseconds=v) if type(v) is int else unfit(v)
    if kind is t.TimestampNTZType:
        naive = datetime.datetime(1970, 1, 1)
        return lambda v: naive + datetime.timedelta(microseconds=v) if type(v) is int else unfit(v)
    if kind is t.DayTimeIntervalType:
        return lambda v: datetime.timedelta(microseconds=v) if type(v) is int else unfit(v)
    if isinstance(data_type, (t.StringType, t.CharType, t.VarcharType)):
        return lambda v: None if v is None else v if type(v) is str else unfit(v) or java_text(v)
    if kind is t.BinaryType:

        def binary(v):
            if isinstance(v, str):
                return v.encode("utf-8")
            return bytes(v) if isinstance(v, (bytes, bytearray)) else unfit(v)

        return binary
    if kind is t.ArrayType:
        element = coercion(data_type.elementType)

        def array(v):
            import array as arrays

            return [element(x) for x in v] if type(v) in (list, tuple, arrays.array) else unfit(v)

        return array
    if kind is t.MapType:
        key, value = coercion(data_type.keyType), coercion(data_type.valueType)
        return lambda v: [(key(k), value(x)) for k, x in v.items()] if isinstance(v, dict) else unfit(v)
    if kind is t.StructType:
        names = data_type.names
        parts = [coercion(f.dataType) for f in data_type.fields]

        def struct_value(v):
            if not isinstance(v, (tuple, list)):
                return unfit(v)
            if len(v) != len(names):
                raise ValueError("Input row doesn't have expected number of values required by the schema. "
                                 "%d fields are required while %d values are provided." % (len(names), len(v)))
            return {n: c(x) for n, c, x in zip(names, parts, v)}

        return struct_value
    if isinstance(data_type, t.UserDefinedType):
        return coercion(data_type.sqlType())
    if kind is t.NullType:
        return unfit
    return lambda v: v


def java_text(v):
    """A value as Java prints the object that Python's pickle becomes there."""
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, str):
        return v
    if isinstance(v, float):
        if v != v:
            return "NaN"
        if v in (float("inf"), float("-inf")):
            return "Infinity" if v > 0 else "-Infinity"
        if v == 0 or 1e-3 <= abs(v) < 1e7:
            return repr(v) if "e" not in repr(v) else format(v, "f")
        mantissa, _, exponent = format(v, ".17e").partition("e")
        digits = repr(v)
        mantissa, _, exponent = (digits if "e" in digits else "%.*e" % (max(len(digits.replace("-", "").replace(".", "").strip("0")) - 1, 1), v)).partition("e")
        if "." not in mantissa:
            mantissa += ".0"
        return mantissa + "E" + str(int(exponent))
    if isinstance(v, dict):
        return "{" + ", ".join(java_text(k) + "=" + java_text(x) for k, x in v.items()) + "}"
    if isinstance(v, (list, tuple)):
        return "[" + ", ".join(java_text(x) for x in v) + "]"
    return str(v)


def main():
    control = socket.socket(fileno=int(sys.argv[1]))
    try:
        import pyspark
        import pyspark.worker  # noqa: F401
        import pandas  # noqa: F401
        import pyarrow.ipc  # noqa: F401
        import pyspark.sql.pandas.serializers  # noqa: F401
    except Exception as e:  # the server tells whoever needs a function
        control.send(json.dumps({"error": "%s: %s" % (type(e).__name__, e), "executable": sys.executable}).encode())
        return
    hello = {"python": "%d.%d" % sys.version_info[:2], "pyspark": pyspark.__version__, "pid": os.getpid()}
    control.send(json.dumps(hello).encode())
    memory = int(os.environ.get("PYSPARK_EXECUTOR_MEMORY_MB", "-1"))
    os.environ.pop("PYSPARK_EXECUTOR_MEMORY_MB", None)
    gc.collect()
    gc.freeze()
    me = os.getpid()
    # Processes that leave their worker's group become children of this one when their parent has ended.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    guard = Guard()
    while True:
        if guard.workers and not select.select([control], [], [], Guard.INTERVAL)[0]:
            guard.look()
            continue
        message, fds, _, _ = socket.recv_fds(control, 64, 1)
        if not message:
            return
        if message[:1] == b"f":
            pid = os.fork()
            if pid == 0:
                try:
                    die_with_parent(me)
                    control.close()
                    os.setpgid(0, 0)
                    signal.signal(signal.SIGINT, signal.default_int_handler)
                    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                    if memory > 0:
                        resource.setrlimit(resource.RLIMIT_AS, (memory << 20, memory << 20))
                    serve(socket.socket(fileno=fds[0]))
                except BaseException:
                    import traceback

                    traceback.print_exc()
                finally:
                    os._exit(1)
            os.close(fds[0])
            guard.workers[pid] = ""
            control.send(struct.pack("!i", pid))
        elif message[:1] == b"k":
            (pid,) = struct.unpack("!i", message[1:5])
            kill_group(pid)
            try:
                os.kill(pid, signal.SIGKILL)
                status = os.waitpid(pid, 0)[1]
            except OSError:
                status = 0
            reason = guard.workers.pop(pid, "")
            control.send(struct.pack("!i", status) + reason.encode())
            guard.end_strays()


def kill_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


class Guard:
    """Ends workers that start more processes or threads than any function needs. RLIMIT_NPROC would count all that the user runs."""

    INTERVAL = 0.1
    PROCESSES, THREADS = 128, 1024

    def __init__(self):
        self.workers = {}  # pid: why it was ended, or ""
        self.seen = self.newest()

    @staticmethod
    def newest():
        """The last process or thread number that was given out."""
        try:
            with open("/proc/loadavg") as f:
                return int(f.read().split()[-1])
        except (OSError, ValueError):
            return 0

    def look(self):
        newest = self.newest()
        if 0 <= newest - self.seen < self.PROCESSES // 2:
            return  # too few have started since for anybody to have too many
        self.seen = newest
        processes, threads = {}, {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/stat" % name) as f:
                    parts = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            group = int(parts[2])
            processes[group] = processes.get(group, 0) + 1
            threads[group] = threads.get(group, 0) + int(parts[17])
        for group in self.workers:
            if processes.get(group, 0) > self.PROCESSES:
                self.workers[group] = "it has started more than %d processes" % self.PROCESSES
                kill_group(group)
            elif threads.get(group, 0) > self.THREADS:
                self.workers[group] = "it has started more than %d threads" % self.THREADS
                kill_group(group)
        self.end_strays()

    def end_strays(self):
        """Ends what workers that are gone have left behind."""
        try:
            with open("/proc/self/task/%d/children" % os.getpid()) as f:
                children = [int(p) for p in f.read().split()]
        except OSError:
            return
        for pid in children:
            if pid not in self.workers:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except OSError:
                    pass

main()
