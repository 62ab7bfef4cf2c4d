"""Compose file and manifests: right by Kubernetes' schemas, and true to the program."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from mailsla.streams.notify.routes import load_routes
from mailsla.streams.settings import PREFIX, Settings
from tests.unit.test_project_files import COMPOSE, OWN_SERVICES, known_variables, resolve

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
    ("name", "document"), list(manifests()), ids=lambda v: v if isinstance(v, str) else v["kind"]
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


# Health.


@pytest.mark.parametrize(("pod", "container"), containers())
def test_every_worker_is_asked_whether_it_is_ready_and_alive(pod, container):
    if container["args"][0] != "worker":
        return  # a job ends by itself
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    given = {each["name"]: each["value"] for each in container["env"]}
    assert ports["metrics"] == int(given["MAILSLA_METRICS_PORT"])
    assert given["MAILSLA_METRICS_HOST"] == "0.0.0.0"
    if "http" in ports:
        assert ports["http"] == Settings.model_fields["web_port"].default
    for probe, path in (("readinessProbe", "/ready"), ("livenessProbe", "/live")):
        asked = container[probe]["httpGet"]
        assert asked["path"] == path
        assert asked["port"] in ports


def test_every_mounted_directory_is_a_volume_and_holds_what_settings_name():
    (data,) = (d["data"] for _, d in manifests() if d["kind"] == "ConfigMap")
    files = {value for value in data.values() if value.startswith("/")}
    for _, document in WORKLOADS:
        pod = pod_of(document)
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
        named = files | {
            each["value"] for each in container.get("env", ()) if each["value"].startswith("/")
        }
        assert all(name.startswith(tuple(mounts.values())) for name in named)


JOBS = {"topics", "setup", "tools"}
SERVICES = COMPOSE["services"]


def test_the_services_are_those_of_a_whole_stack():
    workers = {"streams", "sinks", "web", "closer", "notify"}
    wanted = {"kafka", "clickhouse", "prometheus", "grafana"} | workers
    assert set(SERVICES) - JOBS == wanted


@pytest.mark.parametrize("name", sorted(set(SERVICES) - JOBS))
def test_every_service_of_the_compose_file_is_asked_how_it_is(name):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["deploy"]["resources"]["limits"]["memory"]
    asked = str(service["healthcheck"]["test"])
    if name in OWN_SERVICES:
        port = service["environment"]["MAILSLA_METRICS_PORT"]
        assert f"127.0.0.1:{port}/ready" in asked


def mounted(service):
    """(path here, path in the container) of what a service gets of the project."""
    for volume in service.get("volumes", ()):
        source, target, *options = volume.split(":")
        if source.startswith("."):
            assert options == ["ro"]
            yield ROOT / source, target
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_mounted_file_exists(name):
    for path, _ in mounted(SERVICES[name]):
        assert path.exists(), path


def test_the_routes_of_the_compose_file_are_routes():
    ((path, target),) = mounted(SERVICES["notify"])
    assert SERVICES["notify"]["environment"]["MAILSLA_NOTIFY_ROUTES"] == target
    assert load_routes(path)


def test_prometheus_and_grafana_find_what_they_need():
    inside = {target: path for path, target in mounted(SERVICES["prometheus"])}
    config = yaml.safe_load(inside["/etc/prometheus/prometheus.yml"].read_text())
    assert all(f"/etc/prometheus/{name}" in inside for name in config["rule_files"])
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == set(OWN_SERVICES) - JOBS
    for name in found["names"]:
        assert int(SERVICES[name]["environment"]["MAILSLA_METRICS_PORT"]) == found["port"]
    inside = {target: path for path, target in mounted(SERVICES["grafana"])}
    provisioning = inside["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((provisioning / "dashboards/mailsla.yml").read_text())["providers"]
    (dashboard,) = (
        path for target, path in inside.items() if provider["options"]["path"] in target
    )
    queries = [
        variable["query"] for variable in json.loads(dashboard.read_text())["templating"]["list"]
    ]
    assert queries == [source["type"], job["job_name"]]
