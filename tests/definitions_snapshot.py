"""Every asset, check, job, schedule and sensor of the shipped study, as sorted plain data.

An accidental change of a dependency, a partition, a tag or a condition shows in review. If the
change is meant, write the snapshot again and look at the difference:

    .venv/bin/python -m tests.definitions_snapshot && git diff tests/fixtures/definitions.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from mitt_assets.assets.chain import build_graph
from mitt_assets.definitions import build
from mitt_assets.study_file import load_study

SNAPSHOT = Path(__file__).parent / "fixtures" / "definitions.json"
STUDY = "organism"


def flattened() -> dict[str, Any]:
    """The definitions of the shipped study; without code versions and folders of this machine."""
    repository = build(build_graph(load_study(STUDY))).get_repository_def()
    graph = repository.asset_graph
    return {
        "assets": {
            node.key.to_user_string(): _asset(node.assets_def, node.key)
            for node in graph.asset_nodes
        },
        "checks": {_name(node.key): _check(graph, node.key) for node in graph.asset_check_nodes},
        "jobs": {job.name: _job(job) for job in repository.get_all_jobs() if job.name[:2] != "__"},
        "schedules": {
            one.name: {
                "cron": one.cron_schedule,
                "job": one.job_name,
                "on": one.default_status.value,
            }
            for one in repository.schedule_defs
        },
        "sensors": {one.name: _sensor(one) for one in repository.sensor_defs},
    }


def text(flat: Mapping[str, Any]) -> str:
    """The data as it is stored: JSON, a line for every property of everything."""

    def inner(value: Any) -> str:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)

    def block(entries: Mapping[str, Any], level: int) -> str:
        pad = " " * level
        lines = [
            f"{pad} {json.dumps(name)}: {block(value, level + 1) if level < 2 else inner(value)}"
            for name, value in sorted(entries.items())
        ]
        return "{\n" + ",\n".join(lines) + f"\n{pad}}}"

    return block(flat, 0) + "\n"


def _asset(definition: dg.AssetsDefinition, key: dg.AssetKey) -> dict[str, Any]:
    spec = definition.specs_by_key[key]
    columns = spec.metadata.get("dagster/column_schema")
    references = spec.metadata.get("dagster/code_references")
    condition = spec.automation_condition
    return {
        "description": spec.description,
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "owners": list(spec.owners),
        "tags": {name: one for name, one in spec.tags.items() if "kind" not in name},
        "partitions": _partitions(spec.partitions_def),
        "deps": {
            one.asset_key.to_user_string(): _mapping(one.partition_mapping) for one in spec.deps
        },
        "columns": [f"{one.name}: {one.type}" for one in columns.columns] if columns else [],
        "code": _places(references) if references else [],
        "condition": condition.get_label() if condition else None,
        "pool": definition.op.pool,
        "resources": sorted(definition.required_resource_keys),
        "settings": _settings(definition.op.config_schema.config_type),
    }


def _check(graph: Any, key: dg.AssetCheckKey) -> dict[str, Any]:
    spec = graph.get_check_spec(key)
    return {
        "blocking": spec.blocking,
        "description": spec.description,
        "partitions": _partitions(spec.partitions_def),
        "pool": graph.assets_def_for_key(key).op.pool,
    }


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    settings = {
        node.name: _settings(node.config_schema.config_type)
        for node in job.all_node_defs
        if isinstance(node, dg.OpDefinition)
    }
    assets = (
        sorted(one.to_user_string() for one in job.asset_layer.selected_asset_keys)
        if job.asset_layer
        else []
    )
    return {
        "description": job.description,
        "tags": dict(job.tags),
        "assets": assets,
        "settings": {} if assets else settings,
    }


def _sensor(sensor: dg.SensorDefinition) -> dict[str, Any]:
    return {
        "description": sensor.description,
        "kind": type(sensor).__name__,
        "on": sensor.default_status.value,
        "every": sensor.minimum_interval_seconds,
        "jobs": sorted(one.job_name or "" for one in sensor.targets),
        "assets": str(sensor.asset_selection) if sensor.asset_selection else None,
    }


def _partitions(definition: dg.PartitionsDefinition | None) -> Any:
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return {one.name: _partitions(one.partitions_def) for one in definition.partitions_defs}
    return " ".join(definition.get_partition_keys()) if definition is not None else None


def _mapping(mapping: dg.PartitionMapping | None) -> Any:
    if isinstance(mapping, dg.MultiPartitionMapping):
        inner = mapping.downstream_mappings_by_upstream_dimension.items()
        return {name: _mapping(one.partition_mapping) for name, one in inner}
    if isinstance(mapping, dg.StaticPartitionMapping):
        taken = mapping.downstream_partition_keys_by_upstream_partition_key
        return {name: ",".join(sorted(readers)) for name, readers in taken.items()}
    return type(mapping).__name__ if mapping is not None else None


def _settings(config: Any) -> dict[str, str]:
    """Name and type of every setting of a run."""
    fields = getattr(config, "fields", {})
    return {
        name: field.config_type.given_name or field.config_type.key
        for name, field in fields.items()
    }


def _places(references: dg.CodeReferencesMetadataValue) -> list[str]:
    """Which files are referred to, relative to the package that holds them."""
    root = Path(__file__).parents[1]
    return [
        f"{one.label}: {Path(one.file_path).relative_to(root).as_posix()}"
        for one in references.code_references
        if isinstance(one, dg.LocalFileCodeReference)
    ]


def _name(key: dg.AssetCheckKey) -> str:
    return f"{key.asset_key.to_user_string()} {key.name}"


if __name__ == "__main__":
    SNAPSHOT.write_text(text(flattened()), encoding="utf-8")
