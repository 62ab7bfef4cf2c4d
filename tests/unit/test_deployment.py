"""The manifests in deploy/: right by Kubernetes' schemas, and true to the program."""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from streams.settings import PREFIX, Settings
from tests.unit.test_project_files import known_variables, resolve

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy/kubernetes"
KUBERNETES = "1.33"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def manifests():
    """(file, document) of everything that is applied."""
    for name in KUSTOMIZATION["resources"]:
        for document in yaml.safe_load_all((FOLDER / name).read_text()):
            yield name, document


WORKLOADS = [(n, d) for n, d in manifests() if d["kind"] in {"Deployment", "Job"}]


def pod_of(document):
    return document["spec"]["template"]["spec"]


def containers():
    return [
        pytest.param(pod_of(document), container, id=container["name"])
        for _, document in WORKLOADS
        for container in pod_of(document)["containers"]
    ]


@pytest.mark.parametrize(
    ("name", "document"), manifests(), ids=lambda v: v if isinstance(v, str) else v["kind"]
)
def test_every_manifest_is_right_by_the_schema(name, document):
    kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_every_file_is_applied():
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])


@pytest.mark.parametrize(("pod", "container"), containers())
def test_every_container_runs_a_real_command_with_real_settings(pod, container):
    resolve(container["args"])
    for variable in container.get("env", ()):
        assert variable["name"] in known_variables()
        assert not re.search("PASSWORD|SECRET|TOKEN", variable["name"])


@pytest.mark.parametrize(("pod", "container"), containers())
def test_every_container_is_locked_in(pod, container):
    context = pod["securityContext"]
    assert context["runAsNonRoot"]
    assert context["runAsUser"] == 10001
    assert context["seccompProfile"]["type"] == "RuntimeDefault"
    assert pod["automountServiceAccountToken"] is False
    own = container["securityContext"]
    assert own["readOnlyRootFilesystem"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["limits"]["memory"]
    assert container["image"] == "mailsla"
    for volume in pod["volumes"]:
        assert set(volume) - {"name"} <= {"configMap", "emptyDir"}


def test_the_settings_are_settings_and_nothing_in_them_is_insecure(tmp_path):
    (data,) = (d["data"] for _, d in manifests() if d["kind"] == "ConfigMap")
    assert set(data) <= known_variables()
    settings = Settings(**{k.removeprefix(PREFIX).lower(): v for k, v in data.items()})
    assert settings.kafka_security.endswith("SSL")
    assert settings.clickhouse.startswith("https://")
    ports = {
        port["port"]
        for _, document in manifests()
        if document["kind"] == "NetworkPolicy"
        for rule in document["spec"].get("egress", ())
        for port in rule["ports"]
    }
    assert {int(settings.kafka.rpartition(":")[2]), int(settings.clickhouse[-4:])} <= ports


def test_no_secret_lies_in_a_file():
    assert not [d for _, d in manifests() if d["kind"] == "Secret"]
    readme = (FOLDER / "README.md").read_text()
    for _, document in WORKLOADS:
        (container,) = pod_of(document)["containers"]
        for source in container["envFrom"]:
            if "secretRef" in source:
                assert f"`{source['secretRef']['name']}`" in readme


def test_a_workload_s_labels_are_those_it_is_selected_by():
    for _, document in WORKLOADS:
        labels = document["spec"]["template"]["metadata"]["labels"]
        selector = document["spec"].get("selector", {"matchLabels": labels})
        assert selector["matchLabels"] == labels
        assert document["metadata"]["labels"] == labels


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is missing")
def test_kustomize_puts_it_together():
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for document in yaml.safe_load_all(done.stdout):
        if document["kind"] != "Namespace":
            assert document["metadata"]["namespace"] == "mailsla"
        if document["kind"] in {"Deployment", "Job"}:
            (container,) = pod_of(document)["containers"]
            assert container["image"].startswith("registry.example.net/mailsla:")
