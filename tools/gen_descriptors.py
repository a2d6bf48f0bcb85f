#!/usr/bin/env python3
"""Writes the message descriptors of the installed pyspark-client (Spark Connect, the state of stateful processors) and delta-spark (Delta Connect) as a FileDescriptorSet.

    gen_descriptors.py OUT.fds

protoc reads it with --descriptor_set_in, so that no .proto file of Spark or Delta is kept in this repository.
"""
import importlib
import os
import sys

os.environ.setdefault("SPARK_HOME", os.sep)  # delta-spark's modules look for one when they are imported; nothing of it is used

from google.protobuf import descriptor_pb2

MODULES = [f"pyspark.sql.connect.proto.{m}_pb2" for m in
           ("base", "catalog", "commands", "common", "expressions", "ml", "ml_common", "relations", "types", "pipelines")]
MODULES += [f"delta.connect.proto.{m}_pb2" for m in ("base", "commands", "relations")]
MODULES += ["pyspark.sql.streaming.proto.StateMessage_pb2"]
MODULES += ["google.rpc.status_pb2", "google.rpc.error_details_pb2"]


def main(out: str) -> None:
    files, seen = [], set()

    def add(fd):
        if fd.name in seen:
            return
        seen.add(fd.name)
        for dep in fd.dependencies:
            add(dep)
        proto = descriptor_pb2.FileDescriptorProto()
        fd.CopyToProto(proto)
        files.append(proto)

    for m in MODULES:
        add(importlib.import_module(m).DESCRIPTOR)
    with open(out, "wb") as f:
        f.write(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())


if __name__ == "__main__":
    main(sys.argv[1])
