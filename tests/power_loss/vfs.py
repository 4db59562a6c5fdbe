"""Records every write, truncation, sync and removal that SQLite makes, through a VFS of our own.

The VFS is the default one with three of its files' methods replaced by functions that note the call
and pass it on. It needs no compiler and no privilege, only that the library which Python's sqlite3
uses shows its functions; :func:`install` says when it does not.
"""

from __future__ import annotations

import ctypes
import sqlite3
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

SQLITE_OK = 0
Note = Callable[..., None]


class CannotRecord(Exception):
    """This Python's SQLite does not let its files be watched."""


XOPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
XDELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
XWRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
XTRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
XSYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class Vfs(Structure):
    """``sqlite3_vfs``; what is passed on untouched is kept as plain pointers."""

    _fields_ = [
        ("iVersion", c_int),
        ("szOsFile", c_int),
        ("mxPathname", c_int),
        ("pNext", c_void_p),
        ("zName", c_char_p),
        ("pAppData", c_void_p),
        ("xOpen", XOPEN),
        ("xDelete", XDELETE),
        ("rest", c_void_p * 14),
    ]


class Methods(Structure):
    """``sqlite3_io_methods``."""

    _fields_ = [
        ("iVersion", c_int),
        ("xClose", c_void_p),
        ("xRead", c_void_p),
        ("xWrite", XWRITE),
        ("xTruncate", XTRUNCATE),
        ("xSync", XSYNC),
        ("rest", c_void_p * 13),
    ]


def _library() -> Any:
    sqlite3.connect(":memory:").close()
    maps = Path("/proc/self/maps")
    loaded = maps.read_text().split() if maps.exists() else []
    found = [path for path in dict.fromkeys(loaded) if "sqlite3" in Path(path).name]
    for path in found:
        try:
            library = ctypes.CDLL(path)
            library.sqlite3_libversion.restype = c_char_p
            if library.sqlite3_libversion().decode() == sqlite3.sqlite_version:
                return library
        except (OSError, AttributeError):
            continue
    raise CannotRecord(f"SQLite's library is not to be found among {found}")


class Recorder:
    """The installed VFS; ``note`` gets each call as ``(what, path, *details)``."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._paths: dict[int, str] = {}
        self._methods: dict[int, Methods] = {}
        self._originals: dict[int, Methods] = {}
        library = _library()
        library.sqlite3_vfs_find.restype = POINTER(Vfs)
        library.sqlite3_vfs_find.argtypes = [c_char_p]
        library.sqlite3_vfs_register.argtypes = [POINTER(Vfs), c_int]
        default = library.sqlite3_vfs_find(None)
        if not default:
            raise CannotRecord("SQLite has no file system to watch")
        self._default = default
        self._vfs = Vfs()
        ctypes.memmove(ctypes.byref(self._vfs), default, ctypes.sizeof(Vfs))
        self._vfs.zName = b"recorder"
        self._vfs.pNext = None
        self._vfs.xOpen = XOPEN(self._open)
        self._vfs.xDelete = XDELETE(self._delete)
        if library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) != SQLITE_OK:
            raise CannotRecord("SQLite does not take another file system")

    def _open(self, vfs: int, name: int, file: int, flags: int, out: int) -> int:
        path = ctypes.string_at(name).decode() if name else ""
        existed = bool(path) and Path(path).exists()
        result: int = self._default.contents.xOpen(vfs, name, file, flags, out)
        address = c_void_p.from_address(file)
        if result != SQLITE_OK or not address.value or not path:
            return result
        self._paths[file] = path
        if not existed:
            self._note("create", path)
        address.value = ctypes.addressof(self._watched(address.value))
        return result

    def _watched(self, original: int) -> Methods:
        """The methods at an address with ours in their place."""
        if original in self._methods:
            return self._methods[original]
        real = Methods.from_address(original)
        watched = Methods()
        ctypes.memmove(ctypes.byref(watched), original, ctypes.sizeof(Methods))

        def write(file: int, data: int, size: int, offset: int) -> int:
            result: int = real.xWrite(file, data, size, offset)
            if result == SQLITE_OK:
                self._note("write", self._paths[file], offset, ctypes.string_at(data, size))
            return result

        def truncate(file: int, size: int) -> int:
            result: int = real.xTruncate(file, size)
            if result == SQLITE_OK:
                self._note("truncate", self._paths[file], size)
            return result

        def sync(file: int, flags: int) -> int:
            result: int = real.xSync(file, flags)
            if result == SQLITE_OK:
                self._note("sync", self._paths[file])
            return result

        watched.xWrite = XWRITE(write)
        watched.xTruncate = XTRUNCATE(truncate)
        watched.xSync = XSYNC(sync)
        self._originals[original] = real
        self._methods[original] = watched
        return watched

    def _delete(self, vfs: int, name: bytes, sync_folder: int) -> int:
        result: int = self._default.contents.xDelete(vfs, name, sync_folder)
        if result == SQLITE_OK:
            self._note("delete", name.decode())
        return result


_installed: list[Recorder] = []


def install(note: Note) -> None:
    """Watch every database that this process opens from now on, to its end.

    Raises:
        CannotRecord: this Python's SQLite does not allow it.
    """
    _installed.append(Recorder(note))
