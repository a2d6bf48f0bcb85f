"""dbutils.fs: files of the workspace (dbfs:, volumes, mounts) over REST, and local ones (file:)."""
from __future__ import annotations

import base64
import os
import shutil
from collections import namedtuple
from typing import Iterator

from tarn.api import Api, ApiError
from tarn.dbutils.errors import ExecutionError
from tarn.dbutils.help import Utility

FileInfo = namedtuple("FileInfo", ["path", "name", "size", "modificationTime"])
FileInfo.isDir = lambda self: self.path.endswith("/")  # type: ignore[attr-defined]
FileInfo.isFile = lambda self: not self.path.endswith("/")  # type: ignore[attr-defined]
MountInfo = namedtuple("MountInfo", ["mountPoint", "source", "encryptionType"])
_BLOCK = 1 << 20


def _java(error: ApiError, path: str) -> ExecutionError:
    kind = {404: "java.io.FileNotFoundException", 403: "java.lang.SecurityException"}.get(error.status, "java.io.IOException")
    if error.error_code == "RESOURCE_ALREADY_EXISTS":
        kind = "org.apache.hadoop.fs.FileAlreadyExistsException"
    return ExecutionError(f"{kind}: {error.message or path}")


def _no_mounts() -> ExecutionError:
    return ExecutionError("java.lang.UnsupportedOperationException: this workspace has no mounts: name the storage by its URI (abfss://…, wasbs://…, s3a://…)")


class _Remote:
    """dbfs:/ and /Volumes through the dbfs API."""

    def __init__(self, api: Api):
        self.api = api

    def stat(self, path: str) -> tuple[bool, int, int] | None:
        try:
            s = self.api.get("/api/2.0/dbfs/get-status", path=path)
            return bool(s.get("is_dir")), int(s.get("file_size", 0)), int(s.get("modification_time", 0))
        except ApiError as e:
            if e.status == 404:
                return None
            raise _java(e, path) from None

    def list(self, path: str) -> list[FileInfo]:
        try:
            files = self.api.get("/api/2.0/dbfs/list", path=path).get("files", [])
        except ApiError as e:
            raise _java(e, path) from None
        out = []
        for f in files:
            end = "/" if f.get("is_dir") else ""
            out.append(FileInfo("dbfs:" + f["path"] + end, f["path"].rsplit("/", 1)[-1] + end, int(f.get("file_size", 0)), int(f.get("modification_time", 0))))
        return sorted(out)

    def read(self, path: str) -> Iterator[bytes]:
        offset = 0
        while True:
            try:
                r = self.api.get("/api/2.0/dbfs/read", path=path, offset=offset, length=_BLOCK)
            except ApiError as e:
                raise _java(e, path) from None
            if not r.get("bytes_read"):
                return
            offset += r["bytes_read"]
            yield base64.b64decode(r["data"])

    def write(self, path: str, pieces: Iterator[bytes], overwrite: bool) -> None:
        try:
            handle = self.api.post("/api/2.0/dbfs/create", path=path, overwrite=overwrite)["handle"]
            for piece in pieces:
                for at in range(0, len(piece), _BLOCK):
                    self.api.post("/api/2.0/dbfs/add-block", handle=handle, data=base64.b64encode(piece[at:at + _BLOCK]).decode())
            self.api.post("/api/2.0/dbfs/close", handle=handle)
        except ApiError as e:
            raise _java(e, path) from None

    def mkdirs(self, path: str) -> None:
        try:
            self.api.post("/api/2.0/dbfs/mkdirs", path=path)
        except ApiError as e:
            raise _java(e, path) from None

    def remove(self, path: str, recurse: bool) -> None:
        try:
            self.api.post("/api/2.0/dbfs/delete", path=path, recursive=recurse)
        except ApiError as e:
            raise _java(e, path) from None


class _Local:
    """file:/ of the machine that runs this process."""

    def stat(self, path: str) -> tuple[bool, int, int] | None:
        try:
            s = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return os.path.isdir(path), 0 if os.path.isdir(path) else s.st_size, int(s.st_mtime * 1000)

    def list(self, path: str) -> list[FileInfo]:
        s = self.stat(path)
        if s is None:
            raise ExecutionError(f"java.io.FileNotFoundException: File file:{path} does not exist")
        names = sorted(os.listdir(path)) if s[0] else [os.path.basename(path)]
        out = []
        for name in names:
            full = os.path.join(path, name) if s[0] else path
            found = self.stat(full)
            if found:
                end = "/" if found[0] else ""
                out.append(FileInfo("file:" + full + end, name + end, found[1], found[2]))
        return out

    def read(self, path: str) -> Iterator[bytes]:
        try:
            with open(path, "rb") as f:
                while piece := f.read(_BLOCK):
                    yield piece
        except FileNotFoundError:
            raise ExecutionError(f"java.io.FileNotFoundException: File file:{path} does not exist") from None

    def write(self, path: str, pieces: Iterator[bytes], overwrite: bool) -> None:
        if os.path.exists(path) and not overwrite:
            raise ExecutionError(f"org.apache.hadoop.fs.FileAlreadyExistsException: file:{path} already exists")
        os.makedirs(os.path.dirname(path) or "/", exist_ok=True)
        with open(path, "wb") as f:
            for piece in pieces:
                f.write(piece)

    def mkdirs(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def remove(self, path: str, recurse: bool) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            if not recurse and os.listdir(path):
                raise ExecutionError(f"java.io.IOException: Cannot delete the non-empty directory file:{path} without recurse")
            shutil.rmtree(path)
        else:
            os.remove(path)


class FileSystem(Utility):
    """dbutils.fs works with files: of the workspace (dbfs:/…, /Volumes/…, mounts under /mnt) and of this machine (file:/…)."""

    _name = "fs"

    def __init__(self, api: Api):
        self._api = api
        self._remote, self._local = _Remote(api), _Local()

    def _place(self, path: str) -> tuple[_Remote | _Local, str]:
        scheme, colon, rest = path.partition(":")
        if not colon or "/" in scheme:
            scheme, rest = "dbfs", path
        rest = "/" + rest.lstrip("/")
        clean = "/" + "/".join(p for p in rest.split("/") if p)
        if scheme == "dbfs":
            return self._remote, clean
        if scheme == "file":
            return self._local, clean
        raise ExecutionError(f"java.io.IOException: No FileSystem for scheme \"{scheme}\": mount {path} first, or read it with Spark")

    def ls(self, dir: str) -> list[FileInfo]:
        """Lists a directory: FileInfo(path, name, size, modificationTime) of each entry; names of directories end with /."""
        fs, path = self._place(dir)
        return fs.list(path)

    def mkdirs(self, dir: str) -> bool:
        """Makes a directory, with those above it."""
        fs, path = self._place(dir)
        fs.mkdirs(path)
        return True

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Writes a text (UTF-8) to a file. If it exists overwrite must be True."""
        fs, path = self._place(file)
        data = contents.encode("utf8")
        fs.write(path, iter([data]), overwrite)
        print(f"Wrote {len(data)} bytes.")
        return True

    def head(self, file: str, maxBytes: int = 65536) -> str:
        """The first bytes of a file as text."""
        fs, path = self._place(file)
        s = fs.stat(path)
        if s is None:
            raise ExecutionError(f"java.io.FileNotFoundException: {file}")
        if s[0]:
            raise ExecutionError(f"java.io.IOException: {file} is a directory")
        data = b""
        for piece in fs.read(path):
            data += piece
            if len(data) >= maxBytes:
                break
        if s[1] > maxBytes:
            print(f"[Truncated to first {maxBytes} bytes]")
        return data[:maxBytes].decode("utf8", "replace")

    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Removes a file or a directory; one that is not empty needs recurse=True. False if there is none."""
        fs, path = self._place(dir)
        if fs.stat(path) is None:
            return False
        fs.remove(path, recurse)
        return True

    def cp(self, from_: str, to: str, recurse: bool = False) -> bool:
        """Copies a file, or with recurse=True a directory, also between file systems."""
        source, a = self._place(from_)
        sink, b = self._place(to)
        s = source.stat(a)
        if s is None:
            raise ExecutionError(f"java.io.FileNotFoundException: {from_}")
        if s[0] and not recurse:
            raise ExecutionError(f"java.io.IOException: Cannot copy the directory {from_} without recurse=True")
        if source is sink and s[0] and (b + "/").startswith(a + "/"):
            raise ExecutionError(f"java.io.IOException: Cannot copy {from_} into itself")
        target = sink.stat(b)
        if not s[0] and target is not None and target[0]:
            b = b.rstrip("/") + "/" + a.rsplit("/", 1)[-1]
        self._copy(source, a, s[0], sink, b)
        return True

    def _copy(self, source: _Remote | _Local, a: str, is_dir: bool, sink: _Remote | _Local, b: str) -> None:
        if source is sink and a == b:
            raise ExecutionError(f"java.io.IOException: Cannot copy {a} onto itself")
        if not is_dir:
            sink.write(b, source.read(a), True)
            return
        sink.mkdirs(b)
        for f in source.list(a):
            name = f.name.rstrip("/")
            self._copy(source, a.rstrip("/") + "/" + name, f.path.endswith("/"), sink, b.rstrip("/") + "/" + name)

    def mv(self, from_: str, to: str, recurse: bool = False) -> bool:
        """Moves a file, or with recurse=True a directory, also between file systems."""
        self.cp(from_, to, recurse)
        return self.rm(from_, recurse)

    def mount(self, source: str, mount_point: str, encryption_type: str = "", owner: str = "", extra_configs: dict[str, str] | None = None) -> bool:
        """Makes a directory of another storage visible below a mount point, for the whole workspace. The credentials in extra_configs are kept sealed."""
        return self._mount(source, mount_point, encryption_type, extra_configs, False)

    def updateMount(self, source: str, mount_point: str, encryption_type: str = "", owner: str = "", extra_configs: dict[str, str] | None = None) -> bool:
        """As mount, for a mount point that may be there."""
        return self._mount(source, mount_point, encryption_type, extra_configs, True)

    def _mount(self, source: str, mount_point: str, encryption_type: str, extra_configs: dict[str, str] | None, update: bool) -> bool:
        try:
            self._api.post("/api/2.0/dbfs/mounts/create", source=source, mount_point=mount_point, encryption_type=encryption_type or "",
                           extra_configs=extra_configs or {}, update=update)
        except ApiError as e:
            if e.error_code == "ENDPOINT_NOT_FOUND":
                raise _no_mounts() from None
            if e.error_code == "RESOURCE_ALREADY_EXISTS":
                raise ExecutionError(f"java.rmi.RemoteException: java.lang.IllegalArgumentException: requirement failed: Directory already mounted: {mount_point}") from None
            raise _java(e, mount_point) from None
        return True

    def unmount(self, mount_point: str) -> bool:
        """Removes a mount point; what lies behind it stays."""
        try:
            self._api.post("/api/2.0/dbfs/mounts/delete", mount_point=mount_point)
        except ApiError as e:
            if e.error_code == "ENDPOINT_NOT_FOUND":
                raise _no_mounts() from None
            if e.status == 404:
                raise ExecutionError(f"java.rmi.RemoteException: java.lang.IllegalArgumentException: requirement failed: Directory not mounted: {mount_point}") from None
            raise _java(e, mount_point) from None
        print(f"{mount_point} has been unmounted.")
        return True

    def mounts(self) -> list[MountInfo]:
        """What is mounted: MountInfo(mountPoint, source, encryptionType)."""
        try:
            found = self._api.get("/api/2.0/dbfs/mounts/list").get("mounts", [])
        except ApiError as e:
            if e.error_code == "ENDPOINT_NOT_FOUND":   # a workspace that has none
                return []
            raise _java(e, "/mnt") from None
        return [MountInfo(m["mount_point"], m["source"], m.get("encryption_type", "")) for m in found]

    def refreshMounts(self) -> bool:
        """Makes this cluster see mounts that others have just made. They are seen at once here; True."""
        self.mounts()
        return True
