#!/usr/bin/env python3
"""Measures the controller (line P13 of the targets): what it costs when nothing happens, and how soon it acts.

usage: tests/bench/watch.py [--tenants 25000] [--seconds 180] [--runs 7] [--binary target/release/synthex]

Needs PostgreSQL binaries, psql and a release build. It makes an embedded PostgreSQL of its own in a temporary folder, and
removes it at the end.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROJECT = """apiVersion: synthex.dev/v1
kind: Project
metadata: {name: bench}
spec:
  workspace: ws-000
  manifests: [workspaces.yaml, tenants.yaml]
  limits: {maxFileSize: 256MiB}
"""


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.binary = str(pathlib.Path(arguments.binary).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="synthex-bench-", dir="/tmp"))
        os.chmod(self.folder, 0o755)
        self.project = self.folder / "project"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1", "SYNTHEX_ANALYTICS": "off",
                    "SYNTHEX_STATE_DIR": str(self.folder / "pg")}

    def synthex(self, *words):
        done = subprocess.run([self.binary, *words], env=self.env, cwd=self.project, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"synthex {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        return done.stdout.strip()

    def psql(self, sql):
        return subprocess.run(["psql", self.url, "-qAtX", "-c", sql], capture_output=True, text=True).stdout.strip()

    def prepare(self):
        self.project.mkdir()
        subprocess.run([sys.executable, HERE / "gen.py", self.project, str(self.arguments.tenants)], check=True, capture_output=True)
        (self.project / "synthex.yaml").write_text(PROJECT)
        self.url = self.synthex("db", "url", "--embedded")
        self.synthex("apply", "--embedded", "--yes", "-q")
        self.psql("vacuum analyze")
        self.log = next(self.folder.glob("pg/**/server.log"))
        for setting in ("log_line_prefix = '%a|'", "log_statement = 'all'"):
            self.psql(f"alter system set {setting}")
        self.psql("select pg_reload_conf()")

    def watch(self, *words):
        log = open(self.folder / "watch.log", "ab")
        process = subprocess.Popen([self.binary, "-v", "watch", "--embedded", *words], env=self.env, cwd=self.project, stdout=log, stderr=log)
        limit = time.monotonic() + 60
        ready = "select count(*) from synthex.watch_conditions where type = 'Ready' and status = 'True'"
        while int(self.psql(ready) or 0) == 0 or int(self.psql("select count(*) from synthex.leases where name like 'watch:%' and holder is not null")) == 0:
            if process.poll() is not None or time.monotonic() > limit:
                sys.exit("the controller is not ready: " + (self.folder / "watch.log").read_text()[-2000:])
            time.sleep(0.2)
        time.sleep(5)
        return process

    def stop(self, process):
        process.terminate()
        process.wait(20)

    def cpu(self, process):
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, process, what="VmRSS"):
        text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(what + r":\s+(\d+)", text)[1]) / 1024

    def idle(self):
        process = self.watch()
        seconds = self.arguments.seconds
        time.sleep(10)
        size, begun = self.log.stat().st_size, self.cpu(process)
        time.sleep(seconds)
        used = self.cpu(process) - begun
        with open(self.log, errors="replace") as log:
            log.seek(size)
            lines = [line for line in log if line.startswith("synthex watch|LOG:  ") and ("statement: " in line or "execute " in line)]
        work = [line for line in lines if not re.search(r"(statement|<unnamed>): (begin|commit|rollback)", line, re.I)]
        kinds = collections.Counter(re.sub(r"\s+", " ", line.split(": ", 2)[-1])[:70].strip() for line in work)
        looks = sum("from synthex.batch_operations), 0)" in line for line in work)
        print(f"P13 idle, {self.arguments.tenants} tenants, {seconds} s")
        print(f"  CPU                      {used / seconds * 100:8.2f} % of a core      target <= 1 %")
        print(f"  memory now, at most      {self.memory(process):8.1f}, {self.memory(process, 'VmHWM'):.1f} MiB    target <= 150 MB")
        print(f"  statements a minute      {len(work) / seconds * 60:8.1f}, all tasks; begin, commit and rollback not counted")
        print(f"  reconcile cycles         {looks:8d}, of one statement each              target <= 5")
        for text, count in kinds.most_common(12):
            print(f"      {count / seconds * 60:6.1f} a minute  {text}")
        self.stop(process)

    def until(self, sql, expect):
        begun = time.perf_counter()
        while self.psql(sql) != expect:
            if time.perf_counter() - begun > 90:
                sys.exit(f"{sql} never became {expect}")
        return (time.perf_counter() - begun) * 1000

    def acts(self):
        process = self.watch("--interval", "60s")
        path = self.project / "tenants.yaml"
        text = path.read_text()
        names = re.findall(r"^  name: (\S+)$", text, re.M)
        saved, corrected = [], []
        for run in range(self.arguments.runs):
            tenant = names[1000 * run + 17]
            place = text.index("displayName:", text.index(f"  name: {tenant}\n"))
            end = text.index("\n", place)
            text = text[:place] + f"displayName: Saved {run}" + text[end:]
            new = path.with_suffix(".new")
            new.write_text(text)
            os.replace(new, path)
            saved.append(self.until(f"select display_name from synthex.tenants where name = '{tenant}'", f"Saved {run}"))
            time.sleep(1)
        for run in range(self.arguments.runs):
            tenant = names[1000 * run + 500]
            before = self.psql(f"select display_name from synthex.tenants where name = '{tenant}'")
            self.psql(f"update synthex.tenants set display_name = 'By hand' where name = '{tenant}'")
            corrected.append(self.until(f"select display_name from synthex.tenants where name = '{tenant}'", before))
            time.sleep(1)
        self.stop(process)
        process = self.watch("--interval", "5s", "--no-notify")
        looked = []
        for run in range(self.arguments.runs):
            tenant = names[1000 * run + 700]
            before = self.psql(f"select display_name from synthex.tenants where name = '{tenant}'")
            self.psql(f"update synthex.tenants set display_name = 'By hand' where name = '{tenant}'")
            looked.append(self.until(f"select display_name from synthex.tenants where name = '{tenant}'", before))
        self.stop(process)
        median = statistics.median
        print(f"P13 acts, {self.arguments.tenants} tenants, medians of {self.arguments.runs} (slowest)")
        print(f"  file save to row         {median(saved):8.0f} ({max(saved):.0f}) ms    target <= 1000 ms")
        print(f"  UPDATE to correction     {median(corrected):8.0f} ({max(corrected):.0f}) ms    target <= 2000 ms")
        print(f"  the same by looking      {median(looked):8.0f} ({max(looked):.0f}) ms    target: one interval (5 s, and a tenth)")

    def close(self):
        subprocess.run([self.binary, "db", "stop", "--embedded"], env=self.env, cwd=self.folder, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=25_000)
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--binary", default=ROOT / "target" / "release" / "synthex")
    bench = Bench(parser.parse_args())
    try:
        bench.prepare()
        bench.acts()
        bench.idle()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
