"""The house rules that a machine can check: who may import whom, what a file may be, what is generated.

The arrows of ARCHITECTURE.md point one way. The pure parts (formats, state machines, steering, policies) read no
clock, open nothing and draw no random numbers; only a process's edge reads the environment.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "neatctl"
SOURCES = sorted(path for kind in ("py", "pyx") for path in PACKAGE.rglob(f"*.{kind}"))
PYTHON = [path for path in SOURCES if path.suffix == ".py"]
LONGEST = 450

# What a part may import of neatctl besides itself. The first prefix that fits a module is its part.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "neatctl.core.native": (),
    "neatctl.core.spin": (),
    "neatctl.core.wire": ("neatctl.core.native",),
    "neatctl.core.channel": ("neatctl.core.native",),
    "neatctl.core.control": (),
    # IP hands each segment to TCP by a call, and TCP hands its segments to ip.output: no module sees both ways.
    "neatctl.core.ip.input": (
        "neatctl.core.native",
        "neatctl.core.wire",
        "neatctl.core.channel",
        "neatctl.core.control.config",
        "neatctl.core.ip",
        "neatctl.core.tcp.layer",
        "neatctl.core.udp.udp_layer",
    ),
    "neatctl.core.ip.input6": (
        "neatctl.core.native",
        "neatctl.core.ip",
        "neatctl.core.tcp.layer",
        "neatctl.core.udp.udp_layer",
    ),
    "neatctl.core.ip": (
        "neatctl.core.native",
        "neatctl.core.wire",
        "neatctl.core.channel",
        "neatctl.core.control.config",
    ),
    "neatctl.core.tcp": (
        "neatctl.core.native",
        "neatctl.core.wire",
        "neatctl.core.channel",
        "neatctl.core.control.config",
        "neatctl.core.ip",
        "neatctl.core.local_end",
    ),
    "neatctl.core.udp": (
        "neatctl.core.native",
        "neatctl.core.channel",
        "neatctl.core.control.config",
        "neatctl.core.ip",
        "neatctl.core.local_end",
        "neatctl.core.tcp.isn",
    ),
    "neatctl.core.local_end": ("neatctl.core.tcp.isn",),
    "neatctl.core.sockets": (
        "neatctl.core.native",
        "neatctl.core.spin",
        "neatctl.core.channel",
        "neatctl.core.control.messages",
    ),
    "neatctl.nic": (
        "neatctl.core.native",
        "neatctl.core.wire",
        "neatctl.core.channel",
        "neatctl.core.control.messages",
        "neatctl.core.control.config",
        "neatctl.core.control.impairment",
        "neatctl.core.process.loop",
        "neatctl.core.process.child",
    ),
    "neatctl.apps": ("neatctl.core.sockets", "neatctl.core.process.child", "neatctl.core.process.heartbeat"),
    "neatctl.core": ("neatctl.core",),
    "neatctl.testbed": ("neatctl.core", "neatctl.nic", "neatctl.apps"),
    "neatctl.cli": ("neatctl",),
    "neatctl.cli_bench": ("neatctl",),
    "neatctl.cli_options": (),
    "neatctl.cli_conformance": ("neatctl",),
    "neatctl.cli_fetch": ("neatctl",),
}
# Parts that compute and nothing else, with what each may have of the modules below all the same.
PURE = {
    "neatctl.core.spin": (),
    "neatctl.core.wire": (),
    "neatctl.core.ip": (),
    "neatctl.core.tcp": (),
    "neatctl.core.udp": (),
    "neatctl.core.local_end": (),
    "neatctl.core.stack": (),
    "neatctl.core.control": (),
    "neatctl.core.syscall.server": (),
    "neatctl.core.syscall.state": (),
    "neatctl.core.syscall.ports": (),
    "neatctl.nic.flow_key": (),
    "neatctl.nic.rss": (),
    "neatctl.nic.filters": (),
    "neatctl.nic.tracking": ("mmap",),  # anonymous memory that the kernel zeroes when it is first touched
    "neatctl.nic.steering": (),
    "neatctl.nic.fragments": (),
    "neatctl.nic.offload": (),
    "neatctl.nic.impair": (),
    "neatctl.nic.delay_queue": (),
}
IMPURE = {
    "asyncio", "fcntl", "io", "mmap", "multiprocessing", "os", "pathlib", "psutil", "pyroute2", "random", "secrets",
    "select", "selectors", "shutil", "signal", "socket", "subprocess", "tempfile", "threading", "time", "zmq",
}  # fmt: skip
IMPURE_NATIVE = {"now_us", "yield_cpu"}
# Where one thread stands for a process: whatever ends it is told, as the end of a process is.
BOUNDARIES = ("neatctl.core.process.thread_child",)
READ_ENVIRONMENT = ("neatctl.cli", "neatctl.testbed", "neatctl.core.supervisor", "neatctl.core.process.run_directory")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def guarded(tree: ast.Module) -> set[ast.AST]:
    """The nodes below `if TYPE_CHECKING:`, which never run."""
    return {
        below
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for below in ast.walk(statement)
    }


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of every import of a source and of the .pxd beside it; name is "" for a whole module."""
    if path.suffix == ".py":
        tree = ast.parse(path.read_text())
        unseen = guarded(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import) and node not in unseen:
                yield from ((name.name, "") for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node not in unseen:
                assert node.level == 0, f"{path}: imports are written in full"
                yield from ((node.module or "", name.name) for name in node.names)
    else:
        yield from ((line, "") for line in re.findall(r"^(?:import|from) ([\w.]+)", path.read_text(), re.M))
    types = path.with_suffix(".pxd")
    if types.exists():
        for module, names in re.findall(r"^from ([\w.]+) cimport ([\w, ]+)", types.read_text(), re.M):
            yield from ((module, name.strip()) for name in names.split(","))


def imported_module(module: str, name: str) -> str:
    """`from neatctl.core.control import messages` imports neatctl.core.control.messages."""
    full = f"{module}.{name}"
    is_module = (ROOT / Path(*full.split("."))).is_dir() or (ROOT / Path(*full.split("."))).with_suffix(".py").exists()
    return full if name and is_module else module


def part_of(module: str, parts: Iterable[str]) -> str | None:
    return next((part for part in parts if within(module, part)), None)


def test_no_function_is_longer_than_a_screen() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in SOURCES
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert not long


def test_imports_point_one_way() -> None:
    wrong = []
    for path in SOURCES:
        module = module_of(path)
        part = part_of(module, MAY_IMPORT)
        if part is None:
            assert path.name == "__init__.py" or module == "neatctl.__main__", f"{module} belongs to no part"
            continue
        allowed = ("neatctl.__version__", part, *MAY_IMPORT[part])
        for target in {imported_module(*pair) for pair in imports(path)}:
            if within(target, "neatctl") and target != "neatctl" and not part_of(target, allowed):
                wrong.append(f"{module} imports {target}")
    assert not wrong


def test_the_pure_parts_read_no_clock_and_open_nothing() -> None:
    wrong = []
    for path in SOURCES:
        module = module_of(path)
        part = part_of(module, PURE)
        if part is None:
            continue
        for target, name in imports(path):
            clock = target == "neatctl.core.native" and name in IMPURE_NATIVE
            if clock or target.split(".")[0] in IMPURE - set(PURE[part]) or within(target, "neatctl.core.process"):
                wrong.append(f"{module} imports {target} {name}")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}:
                wrong.append(f"{module}:{node.lineno} calls {ast.unparse(node.func)}")
    assert not wrong


def test_only_the_edge_reads_the_environment() -> None:
    wrong = []
    for path in PYTHON:
        module = module_of(path)
        if module == "neatctl" or part_of(module, READ_ENVIRONMENT):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv", "os.environb"}:
                wrong.append(f"{module}:{node.lineno}")
    assert not wrong


def test_files_have_names_that_say_something_a_first_word_and_an_end() -> None:
    wrong = []
    for path in SOURCES:
        text = path.read_text()
        if len(text.splitlines()) > LONGEST:
            wrong.append(f"{path}: {len(text.splitlines())} lines; split it at a seam that the RFC or the paper names")
        if path.stem in {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager"}:
            wrong.append(f"{path}: a name that says nothing")
        if path.suffix == ".py" and text.strip() and not ast.get_docstring(ast.parse(text)):
            wrong.append(f"{path}: opens without saying what it owns")
    assert not wrong


def test_our_own_bugs_are_not_caught() -> None:
    caught = []
    for path in (path for path in PYTHON if module_of(path) not in BOUNDARIES):
        for node in ast.walk(ast.parse(path.read_text())):
            kinds: list[ast.expr | None] = []
            if isinstance(node, ast.ExceptHandler):
                raised_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
                kinds = [] if raised_again else [*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "suppress":
                kinds = [*node.args]
            if any(kind is None or ast.unparse(kind) in {"Exception", "BaseException"} for kind in kinds):
                caught.append(f"{path}:{node.lineno}")  # type: ignore[attr-defined]
    assert not caught


def test_compiled_modules_have_a_plain_twin() -> None:
    lonely = [str(types) for types in PACKAGE.rglob("*.pxd") if not types.with_suffix(".py").exists()]
    assert not [types for types in lonely if Path(types).stem != "__init__"], "pure mode would lack these"


def test_no_path_of_a_machine_stands_in_the_tree() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    top = ROOT.parts[1]  # "/TOP/" is nobody else's, unless every machine has it
    tops = "root/|home/\\w" if top in {"tmp", "home", "root", "usr", "srv", "opt", "var"} else f"root/|home/\\w|{top}/"
    machine = re.compile(rf"(?<![\w.])/(?:{tops})|{re.escape(str(ROOT))}/")
    found = []
    for name in listed.stdout.split():
        path = ROOT / name
        if name != "tests/test_house.py" and path.is_file() and path.suffix not in {".pcap", ".png"}:
            found += [f"{name}:{i}" for i, line in enumerate(path.read_text().splitlines(), 1) if machine.search(line)]
    assert not found


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    split = (line.partition("==") for line in lines)
    return {name.lower().replace("_", "-"): version for name, _, version in split if version}


def project() -> dict[str, object]:
    loaded: dict[str, object] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return loaded


def test_the_tested_versions_are_within_the_bounds() -> None:
    metadata = project()
    extras = metadata["optional-dependencies"]
    assert isinstance(extras, dict)
    assert isinstance(metadata["dependencies"], list)
    for line in [*metadata["dependencies"], *extras["dev"]]:
        requirement = Requirement(line)
        assert requirement.specifier.contains(pins()[requirement.name.lower()]), line
        assert any(bound.operator == "<" for bound in requirement.specifier) or requirement.name == "setuptools", line


def test_the_readme_names_every_dependency_with_its_bounds() -> None:
    readme = (ROOT / "README.md").read_text()
    dependencies = project()["dependencies"]
    assert isinstance(dependencies, list)
    for line in dependencies:
        requirement = Requirement(line)
        row = re.search(rf"^\| {re.escape(requirement.name)} \| ([^|]+) \|", readme, re.M)
        assert row is not None, f"README's table of dependencies lacks {line}"
        assert set(row[1].strip().replace("`", "").split(",")) == {str(bound) for bound in requirement.specifier}, line


def test_the_changelog_knows_this_version() -> None:
    version = re.search(r'^__version__ = "(.+)"$', (PACKAGE / "__init__.py").read_text(), re.M)
    assert version is not None
    assert re.search(rf"^## \[{re.escape(version[1])}\]", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_readme_shows_every_verb() -> None:
    verbs = {path.stem.removeprefix("neatctl-") for path in (ROOT / "man").glob("neatctl-*.1")}
    readme = (ROOT / "README.md").read_text()
    assert verbs
    # The page of `bench compare` is neatctl-bench-compare(1).
    shown = [(verb, re.escape(verb).replace(r"\-", "[- ]")) for verb in verbs]
    assert not [verb for verb, pattern in shown if not re.search(rf"neatctl {pattern}\b", readme)]


def test_man_pages_are_what_the_command_line_says() -> None:
    from tools import man

    written = {path.name: path.read_text() for path in (ROOT / "man").glob("*.1")}
    assert written == man.all_pages(), "make man"


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is missing: apt-get install groff-base")
def test_man_pages_are_clean_roff() -> None:
    for path in sorted((ROOT / "man").glob("*.1")):
        argv = ["groff", "-man", "-Tutf8", "-ww", str(path)]
        assert subprocess.run(argv, capture_output=True, text=True, check=True).stderr == ""


def test_the_page_of_counters_is_what_is_declared() -> None:
    from tools import counters

    assert (ROOT / "docs" / "counters.md").read_text() == counters.page(), "make docs"


def test_the_schemas_are_what_the_records_say() -> None:
    from tools import schemas

    written = {path.name: path.read_text() for path in (ROOT / "docs").glob("*-schema.json")}
    assert written == schemas.pages(), "make docs"


def test_every_scenario_is_sound_and_says_what_it_shows() -> None:
    from neatctl.testbed.scenario.reading import read_scenario

    files = sorted((ROOT / "scenarios").glob("*.toml"))
    assert len(files) >= 10
    for file in files:
        assert file.read_text().startswith("# "), file
        assert read_scenario(file).expect


def test_the_captures_of_scenarios_are_what_their_script_makes() -> None:
    from scenarios import make_pcaps

    assert (ROOT / "scenarios" / "web.pcap").read_bytes() == make_pcaps.web_pcap(), "python scenarios/make_pcaps.py"


def test_importing_what_a_replica_needs_stays_cheap() -> None:
    """A standby imports no command line: typer, rich, pyroute2 and psutil would cost recovery time and memory."""
    dear = "{'typer', 'rich', 'pyroute2', 'psutil'}"
    script = f"import sys, neatctl.core.process.child; print(*{dear} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_second_set_up_leaves_what_the_first_has_compiled(tmp_path: Path) -> None:
    """Modules are links to one library, which is no module itself; what has lost its source goes."""
    tree = tmp_path / "neatctl" / "core"
    tree.mkdir(parents=True)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "stale.sh", tmp_path / "tools")
    library = tmp_path / "neatctl" / "compiled.so"
    library.touch()
    (tree / "kept.pxd").touch()
    for name in ("kept", "gone"):
        (tree / f"{name}.cpython-311-x86_64-linux-gnu.so").symlink_to("../compiled.so")
    subprocess.run(["sh", str(tmp_path / "tools" / "stale.sh")], check=True)
    assert library.exists()
    assert [path.name.partition(".")[0] for path in tree.glob("*.so")] == ["kept"]
