#!/usr/bin/python3
"""The steps of a CI job as one bash script, from the YAML as it stands: `ci_steps.py gitlab|github FILE JOB`.

What the service gives comes from the environment (GitLab: CI_... variables; GitHub: the expressions in CI_EXPRESSIONS,
JSON). The actions of GitHub that are known here are played in the folder $CI_SHARED; any other is an error.
"""

import json
import os
import re
import shlex
import sys

import yaml


def exports(values):
    """Variables of the file; one that the environment has already was set for the pipeline, and wins."""
    return [f'export {name}="${{{name}-{value}}}"' for name, value in values.items()]


def gitlab(config, name):
    """As the runner's bash does: variables, then before_script and script in one shell, after_script in another."""
    job = dict(config[config[name].get("extends", name)])
    job.update(config[name])
    lines = ["set -eo pipefail", *exports({**config.get("variables", {}), **job.get("variables", {})})]
    after = "\n".join([*lines, *job.get("after_script", [])])
    lines.append(f"trap {shlex.quote('bash -c ' + shlex.quote(after))} EXIT")
    shared = '"$CI_SHARED"'
    for path in job.get("cache", {}).get("paths", []):
        lines.append(f"[ ! -d {shared}/cache ] || {{ mkdir -p {path}; cp -a {shared}/cache/. {path}/; }}")
    if "artifacts" not in job:
        lines.append(f"cp -a {shared}/artifacts/. .")
    lines += [*job.get("before_script", []), *job["script"]]
    for path in job.get("artifacts", {}).get("paths", []):
        lines.append(f"mkdir -p {shared}/artifacts; cp -a {path} {shared}/artifacts/")
    for path in job.get("cache", {}).get("paths", []):
        lines.append(f"rm -rf {shared}/cache; cp -a {path} {shared}/cache")
    return lines


def expand(value, expressions):
    """${{ NAME }}, for names that the service is said to know."""
    return re.sub(r"\$\{\{ *([^ }]+) *\}\}", lambda found: expressions[found.group(1)], str(value))


def action(step, done):
    """One `uses:`; what has to be done at the job's end goes into `done`."""
    name, given = step["uses"].partition("@")[0], step.get("with", {})
    if name == "actions/checkout":
        return ['cp -a "$CI_SHARED/repository/." .']
    if name == "actions/cache":
        path = given["path"]
        done.append(f'rm -rf "$CI_SHARED/cache"; cp -a {path} "$CI_SHARED/cache"')
        return [f'[ ! -d "$CI_SHARED/cache" ] || {{ mkdir -p {path}; cp -a "$CI_SHARED/cache/." {path}/; }}']
    if name == "actions/upload-artifact":
        return [f'mkdir -p "$CI_SHARED/artifacts"; cp -a {given["path"]} "$CI_SHARED/artifacts/"']
    if name == "actions/download-artifact":
        return ['cp -a "$CI_SHARED/artifacts/." .']
    sys.exit(f"{name}: an action that nothing here stands in for")


def github(config, name):
    """Each `run` in a shell of its own, as `shell: bash` has it; `if: always()` ones at the very end."""
    expressions = json.loads(os.environ["CI_EXPRESSIONS"])
    job, done, last = config["jobs"][name], [], []
    lines = ["set -eo pipefail"]
    lines += exports({key: expand(value, expressions) for key, value in config.get("env", {}).items()})
    if config["defaults"]["run"]["shell"] != "bash":
        sys.exit("the steps here are for bash")
    for step in job["steps"]:
        if "uses" in step:
            lines += action(step, done)
            continue
        env = [f"{key}={shlex.quote(expand(value, expressions))}" for key, value in step.get("env", {}).items()]
        run = " ".join(["env", *env, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", shlex.quote(step["run"])])
        (last if step.get("if") == "always()" else lines).append(run)
    if last:
        lines.insert(1, f"trap {shlex.quote('; '.join(last))} EXIT")
    return lines + done


def main():
    service, path, job = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        config = yaml.safe_load(file)
    print("\n".join({"gitlab": gitlab, "github": github}[service](config, job)))


if __name__ == "__main__":
    main()
