"""Files in docker/ and kubernetes/, parsed, and rules that a build of them has to follow."""

import fnmatch
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "docker-compose.yml"
BASE = ROOT / "kubernetes" / "base"
PRODUCTION = ROOT / "kubernetes" / "overlays" / "production"
# Programs that packages brought into this environment.
PROGRAMS = Path(sys.executable).parent
_SECRET = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|API_?KEY", re.IGNORECASE)


@dataclass(frozen=True)
class Command:
    """An instruction of a Dockerfile.

    Attributes
    ----------
    cmd : str
        Its name, in capitals.
    flags, value : tuple of str
        What begins with two dashes, and what follows; one string if a shell is to take it apart.
    json : bool
        Whether it is written as a list of words.
    original : str
        All of it.
    """

    cmd: str
    flags: tuple[str, ...]
    value: tuple[str, ...]
    json: bool
    original: str


def parse_stages(text: str) -> list[list[Command]]:
    """Return the instructions of each stage."""
    stages: list[list[Command]] = []
    for part in DockerfileParser(fileobj=BytesIO(text.encode())).structure:
        if part["instruction"] != "COMMENT":
            command = _parse(part["instruction"].upper(), part["value"], part["content"])
            if command.cmd == "FROM":
                stages.append([])
            stages[-1].append(command)
    return stages


def _parse(name: str, text: str, original: str) -> Command:
    found = re.match(r"(?:--\S+\s+)*", text)
    flags = found[0].split() if found else []
    rest = text[found.end() :] if found else text
    before: list[str] = []
    if name == "HEALTHCHECK":
        kind, rest = rest.split(maxsplit=1)
        before = [kind]
    listed = rest.startswith("[")
    if listed:
        words = json.loads(rest)
    elif name in ("ENV", "LABEL"):
        words = [half for word in shlex.split(rest) for half in word.split("=", 1)]
    else:
        words = [rest] if name in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK") else rest.split()
    return Command(name, tuple(flags), (*before, *words), listed, original)


def values_of(stage: list[Command], kind: str) -> list[tuple[str, ...]]:
    """Return what follows each instruction of one kind in a stage."""
    return [command.value for command in stage if command.cmd == kind]


def environment_of(stage: list[Command]) -> dict[str, str]:
    """Return the variables that a stage sets, not interpolated."""
    words = [word for value in values_of(stage, "ENV") for word in value]
    return dict(zip(words[::2], words[1::2], strict=True))


def find_faults(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile, by the rules of this house."""
    stages = parse_stages(text)
    faults = [fault for stage in stages for fault in _find_stage_faults(stage)]
    names = {value[2] for stage in stages for value in values_of(stage, "FROM") if len(value) == 3}
    last = stages[-1]
    kinds = {command.cmd: command for command in last}
    user = kinds["USER"].value[0].split(":")[0] if "USER" in kinds else ""
    if not user.isdigit() or int(user) < 1000:
        faults.append("the last stage does not end as a user with a number from 1000 on")
    faults += [
        f"no {kind} as a list of words"
        for kind in ("HEALTHCHECK", "ENTRYPOINT", "CMD")
        if kind not in kinds or not kinds[kind].json
    ]
    for command in last:
        source = dict(flag[2:].split("=", 1) for flag in command.flags).get("from")
        if command.cmd == "COPY" and source and source not in names:
            faults.append(f"COPY from {source}, which is not a stage")
    if any("pip install" in " ".join(value) for value in values_of(last, "RUN")):
        faults.append("the last stage installs packages itself")
    return faults


def _find_stage_faults(stage: list[Command]) -> Iterator[str]:
    image = stage[0].value[0]
    if not re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", image):
        yield f"{image} is not pinned to a version"
    for command in stage:
        kind, text = command.cmd, " ".join(command.value)
        if kind == "ADD":
            yield "ADD unpacks and downloads; COPY does not"
        if kind in ("ARG", "ENV") and any(_SECRET.search(word) for word in command.value):
            yield f"a secret stays readable in the image: {command.original}"
        if kind != "RUN":
            continue
        if "apt-get install" in text and "rm -rf /var/lib/apt/lists" not in text:
            yield "the lists of apt stay in the layer"
        for call in re.findall(r"pip (?:install|wheel)\b[^&|;]*", text):
            if "--no-cache-dir" not in call:
                yield f"pip keeps a cache in the layer: {call.strip()}"
            if "install" in call and not {"--require-hashes", "--no-index"} & set(call.split()):
                yield f"nothing says what pip may install: {call.strip()}"
        if re.search(r"\b(sudo|curl|wget)\b", text):
            yield "a program that downloads or changes the user"


def list_copied(stages: list[list[Command]]) -> list[str]:
    """Return all that a build takes from the repository."""
    return [
        source
        for stage in stages
        for command in stage
        if command.cmd == "COPY" and not any("--from" in flag for flag in command.flags)
        for source in command.value[:-1]
    ]


def is_ignored(path: str, rules: list[str]) -> bool:
    """Return whether .dockerignore keeps `path` out: the last rule that meets it decides."""
    parts = path.split("/")
    parents = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    ignored = False
    for rule in rules:
        pattern = rule.lstrip("!").strip("/")
        names = parts if pattern.startswith("**/") else parents
        if any(fnmatch.fnmatchcase(name, pattern.removeprefix("**/")) for name in names):
            ignored = not rule.startswith("!")
    return ignored


def read_rules(path: Path) -> list[str]:
    """Return the rules of a file such as .dockerignore."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def compose_config(
    path: Path = COMPOSE, password: str = "a-password"
) -> subprocess.CompletedProcess[str]:
    """Have Docker's own program read, check and merge the compose file, without an engine."""
    return subprocess.run(
        [
            str(PROGRAMS / "docker-compose"), "--file", str(path), "--env-file", "/dev/null",
            "--profile", "*", "config", "--format", "json",
        ],
        env={"POSTGRES_PASSWORD": password} if password else {},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@cache
def read_services() -> dict[str, Any]:
    """Return the services of the compose file, merged and interpolated."""
    done = compose_config()
    assert done.returncode == 0, done.stderr
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


def render(folder: Path) -> list[dict[str, Any]]:
    """Return what a kustomization stands for; of kustomize, it knows what is used here."""
    plan = yaml.safe_load((folder / "kustomization.yaml").read_text())
    known = {"apiVersion", "kind", "resources", "namespace", "labels", "images", "patches"}
    assert plan.keys() <= known, f"{folder} uses what this renderer lacks"
    found: list[dict[str, Any]] = []
    for name in plan["resources"]:
        path = (folder / name).resolve()
        assert path.exists(), f"{folder} names {name}, which is not there"
        found += render(path) if path.is_dir() else yaml.safe_load_all(path.read_text())
    for patch in plan.get("patches", []):
        _patch(found, patch["target"], yaml.safe_load((folder / patch["path"]).read_text()))
    for one in found:
        if "namespace" in plan and one["kind"] != "Namespace":
            one["metadata"]["namespace"] = plan["namespace"]
        for labels in plan.get("labels", []):
            one["metadata"].setdefault("labels", {}).update(labels["pairs"])
        for container in containers_of(one):
            for image in plan.get("images", []):
                if container["image"].split(":")[0] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def _patch(
    found: list[dict[str, Any]], target: dict[str, str], steps: list[dict[str, Any]]
) -> None:
    """Apply steps of JSON Patch (RFC 6902): test, replace, and add behind a list."""
    aims = [
        one
        for one in found
        if (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
    ]
    assert len(aims) == 1, f"a patch is for {target}, of which there are {len(aims)}"
    for step in steps:
        *way, last = [int(p) if p.isdigit() else p for p in step["path"].strip("/").split("/")]
        place: Any = aims[0]
        for part in way:
            place = place[part]
        if step["op"] == "add":
            assert last == "-", step
            place.append(step["value"])
            continue
        place[last]  # it must be there for both
        if step["op"] == "test":
            assert place[last] == step["value"], step
        else:
            assert step["op"] == "replace"
            place[last] = step["value"]


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the pod that a manifest starts; empty if it starts none."""
    spec = manifest.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    pod: dict[str, Any] = spec.get("template", {}).get("spec", {})
    return pod


def containers_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the containers that a manifest starts."""
    pod = pod_of(manifest)
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def arguments_of(container: dict[str, Any]) -> list[str]:
    """Return the command of a container, with $(NAME) replaced by its variables."""
    values = {one["name"]: one.get("value", "") for one in container.get("env", [])}
    return [re.sub(r"\$\((\w+)\)", lambda m: values[m[1]], word) for word in container["args"]]
