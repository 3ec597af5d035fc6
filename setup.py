"""Compiles the packet path: every module beside which a .pxd stands. Metadata is in pyproject.toml.

A machine without a compiler gets the plain sources and a warning; NEATCTL_REQUIRE_EXT=1 makes that
an error, NEATCTL_PURE=1 compiles nothing, NEATCTL_ONLY=SUBSTRING only modules of such a name.
"""

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent


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


def compiled_modules():
    if os.environ.get("NEATCTL_PURE") == "1":
        return []
    from Cython.Build import cythonize

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
            Extension(name, [str(source.relative_to(HERE))], extra_compile_args=["-O3", "-g0", "-fno-strict-aliasing"])
        )
    return cythonize(
        extensions,
        build_dir="build/cython",
        nthreads=2,
        compiler_directives={
            "language_level": "3",
            "wraparound": False,
            "initializedcheck": False,
            "annotation_typing": False,
        },
    )


setup(ext_modules=compiled_modules(), cmdclass={"build_ext": TolerantBuild})
