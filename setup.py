"""Compiles the packet path: every module beside which a .pxd stands. Metadata is in pyproject.toml.

A machine without a compiler gets the plain sources and a warning; NEATCTL_REQUIRE_EXT=1 makes that
an error, NEATCTL_PURE=1 compiles nothing, NEATCTL_ONLY=SUBSTRING only modules of such a name.
"""

import os
import shlex
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

HERE = Path(__file__).parent
BUILD = HERE / "build"
COMPILE = ["-O2", "-g0", "-fno-strict-aliasing", "-fno-plt", "-ffunction-sections"]
LINK = ["-Wl,-z,now"]
PACKET_PATH_FIRST = "SECTIONS { .text.packets : { *(.text.__pyx_f_*) } } INSERT BEFORE .text;\n"
"""A linker script: what is called from compiled code stands together, apart from wrappers and module set-up. After
each switch of processes the packet path must be found again page by page, and these are fewer pages."""

JOINED = "compiled.so"
"""In a source tree one library holds nearly all modules, and their own files are links to it: the packet path then has
a few pages in a row instead of a few in each of sixty libraries (2 to 4 % more requests). Wheels have no links."""


class TolerantBuild(build_ext):
    """Builds what can be built; what cannot stays plain Python."""

    def build_extension(self, ext):
        try:
            super().build_extension(ext)
        except Exception as error:
            if os.environ.get("NEATCTL_REQUIRE_EXT") == "1":
                raise
            print(f"warning: {ext.name} is not compiled ({error}); plain Python runs instead", file=sys.stderr)

    def copy_extensions_to_source(self):
        self.extensions = [
            ext
            for ext in self.extensions
            if os.path.exists(os.path.join(self.build_lib, self.get_ext_filename(self.get_ext_fullname(ext.name))))
        ]
        super().copy_extensions_to_source()
        if not os.environ.get("NEATCTL_ONLY"):
            self.join()

    def join(self):
        """Replaces the libraries of all modules by links to one that holds them all: see JOINED.

        A module whose last name is not its alone keeps a library of its own, since PyInit_NAME can be there once only.
        """
        names = Counter(ext.name.rpartition(".")[2] for ext in self.extensions)
        joined = [ext for ext in self.extensions if names[ext.name.rpartition(".")[2]] == 1]
        objects = [
            name for ext in joined for name in self.compiler.object_filenames(ext.sources, output_dir=self.build_temp)
        ]
        if len(joined) < 2:
            return
        library = HERE / "neatctl" / JOINED
        try:
            self.compiler.link_shared_object(
                objects, str(library.with_suffix(".new")), extra_postargs=joined[0].extra_link_args
            )
            library.with_suffix(".new").replace(library)
            for ext in joined:
                place = HERE / self.get_ext_filename(self.get_ext_fullname(ext.name))
                link = place.with_suffix(".link")
                link.symlink_to(os.path.relpath(library, place.parent))
                link.replace(place)
        except (CompileError, LinkError, OSError) as error:
            print(f"warning: every module keeps its own library ({error})", file=sys.stderr)


def link_arguments():
    """The linker's arguments, with PACKET_PATH_FIRST if this linker takes it (GNU ld does)."""
    BUILD.mkdir(exist_ok=True)
    script = BUILD / "packets.ld"
    script.write_text(PACKET_PATH_FIRST)
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    arguments = [*LINK, f"-Wl,-T,{script}"]
    probe = [*compiler, "-shared", "-o", str(BUILD / "probe.so"), "-x", "c", os.devnull, *arguments]
    try:
        subprocess.run(probe, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return LINK
    return arguments


def compiled_modules():
    if os.environ.get("NEATCTL_PURE") == "1":
        return []
    from Cython.Build import cythonize

    link = link_arguments()
    extensions = []
    for types in sorted(HERE.glob("neatctl/**/*.pxd")):
        source = types.with_suffix(".pyx")
        if not source.exists():
            source = types.with_suffix(".py")
        if source.stem == "__init__":
            continue
        name = ".".join(source.relative_to(HERE).with_suffix("").parts)
        if os.environ.get("NEATCTL_ONLY", "") not in name:
            continue
        extensions.append(
            Extension(name, [str(source.relative_to(HERE))], extra_compile_args=COMPILE, extra_link_args=link)
        )
    return cythonize(
        extensions,
        build_dir=str(BUILD / "cython"),
        nthreads=2,
        compiler_directives={
            "language_level": "3",
            "wraparound": False,
            "initializedcheck": False,
            "annotation_typing": False,
        },
    )


setup(ext_modules=compiled_modules(), cmdclass={"build_ext": TolerantBuild})
