#!/usr/bin/env python3
"""Measures synthex against floors made in the same run, and prints the ratios (lines P1 to P12 of the targets).

usage: tests/bench/bench.py [--sizes 1000,10000,100000] [--runs 5] [--binary target/release/synthex]

Needs PostgreSQL binaries, psql and a release build (`cargo build --release`, `cargo bench --no-run`). It makes an embedded
PostgreSQL of its own in a temporary folder, with default durable settings, and removes it at the end. Times are medians.
"""
import argparse
import json
import os
import pathlib
import resource
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


def run(command, env, cwd, check=True):
    begun = time.perf_counter()
    process = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    elapsed = (time.perf_counter() - begun) * 1000
    if check and process.returncode != 0:
        sys.exit(f"{command} failed with {process.returncode}:\n{err.decode()[-2000:]}\n{out.decode()[-2000:]}")
    return elapsed, out.decode()


def peak_kib(command, env, cwd):
    """Peak resident memory of one run, in KiB."""
    pid = os.fork()
    if pid == 0:
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.execve(command[0], command, env)
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_maxrss


def median_of(runs, function):
    return statistics.median(function() for _ in range(runs))


class Bench:
    def __init__(self, arguments):
        self.binary = str(pathlib.Path(arguments.binary).resolve())
        self.runs = arguments.runs
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="synthex-bench-", dir="/tmp"))
        os.chmod(self.folder, 0o755)
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "NO_COLOR": "1",
                    "SYNTHEX_STATE_DIR": str(self.folder / "pg")}
        self.rows = []

    def synthex(self, project, *arguments, check=True):
        return run([self.binary, *arguments], self.env, project, check)

    def psql(self, url, sql, check=True):
        return run(["psql", url, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql], self.env, self.folder, check)

    def report(self, name, size, value, floor, target, unit="ms"):
        ratio = value / floor if floor else float("nan")
        self.rows.append(dict(line=name, size=size, value=round(value, 1), floor=round(floor, 1), ratio=round(ratio, 2),
                              target=target, unit=unit))
        print(f"{name:<34} N={size:<7} {value:>9.1f} {unit:<4} floor {floor:>8.1f}  ratio {ratio:>5.2f}  target {target}",
              flush=True)

    def floors(self, project):
        out = subprocess.run(["cargo", "bench", "-q", "--bench", "floors", "--", str(project / "tenants.yaml")], cwd=ROOT,
                             capture_output=True, text=True, check=True).stdout
        values = dict(line.split() for line in out.splitlines() if line.endswith(tuple("0123456789")))
        return float(values["parse_ms"]), float(values["hash_ms"])

    def project(self, size, changed=0):
        folder = self.folder / f"p{size}-{changed}"
        subprocess.run([sys.executable, str(HERE / "gen.py"), str(folder), str(size), str(changed)], check=True)
        shutil.rmtree(folder / "folder")
        (folder / "synthex.yaml").write_text(PROJECT)
        return folder

    def empty(self, url):
        """An empty, migrated database: as after an installation."""
        self.psql(url, "drop schema if exists synthex cascade")
        self.synthex(self.folder, "db", "migrate", "--embedded")

    def write_floor(self, url, project, existing):
        """COPY into a temporary table, then one upsert into a copy of the table with its indexes; no history. With
        `existing`, the rows are there already, and all of them change."""
        sql = f"""
begin;
create temporary table incoming (name text, display_name text, type text, market text, region text, status text,
  shop text, gmc text, industry text, website text, email text, brand text) on commit drop;
\\copy incoming from '{project}/tenants.csv' csv header
insert into floor_tenants (workspace, name, display_name, type, market, region, status, shopify_shop, industry, website,
  contact_email, metadata, labels, owner, digest)
select 'ws-000', name, display_name, type, market, region, status, shop,
  industry, website, email, jsonb_build_object('brand', brand), '{{"tier": "gold", "owner": "team-1", "cohort": "c1"}}', 'bench',
  sha256(name::bytea)
from incoming
on conflict (workspace, name) do update set display_name = excluded.display_name, market = excluded.market,
  region = excluded.region, status = excluded.status, digest = excluded.digest, metadata = excluded.metadata,
  labels = excluded.labels, revision = floor_tenants.revision + 1, updated_at = now();
commit;
"""
        script = self.folder / "floor.sql"
        script.write_text(sql)

        def once():
            self.psql(url, "drop table if exists floor_tenants; create table floor_tenants (like synthex.tenants including all)")
            if existing:
                run(["psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script)], self.env, self.folder)
            return run(["psql", url, "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script)], self.env, self.folder)[0]

        value = median_of(self.runs, once)
        self.psql(url, "drop table floor_tenants")
        return value

    def measure(self, size):
        project = self.project(size)
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        parse, hashing = self.floors(project)
        write = self.write_floor(url, project, False)
        rewrite = self.write_floor(url, project, True)

        def fresh_apply():
            self.empty(url)
            return self.synthex(project, "apply", "--embedded", "--yes", "-q", "--format", "json")[0]

        applied = median_of(self.runs, fresh_apply)
        self.psql(url, "vacuum analyze")
        read = median_of(self.runs, lambda: self.psql(
            url, "copy (select name, encode(digest,'hex') from synthex.tenants) to stdout")[0])

        def cold_plan():
            shutil.rmtree(project / ".synthex", ignore_errors=True)
            return self.synthex(project, "plan", "--embedded")[0]

        plan = median_of(self.runs, cold_plan)
        self.report("P1 plan, nothing to do, no cache", size, plan, parse + read, "<= 1.0")
        self.synthex(project, "plan", "--embedded")
        warm = median_of(self.runs, lambda: self.synthex(project, "plan", "--embedded")[0])
        self.report("P2 plan, nothing to do, warm cache", size, warm, hashing + read, "<= 3")
        shutil.rmtree(project / ".synthex", ignore_errors=True)
        peak = peak_kib([self.binary, "plan", "--embedded"], self.env, project) / 1024
        self.report("P3 peak memory of P1", size, peak, 250 if size > 25000 else 120, "<= 1 (MiB/limit)", "MiB")
        self.report("P4 apply, all new", size, applied, 2.5 * write + plan, "<= 1.0 (2.5 x write + P1)")
        changed = self.project(size, size)
        self.psql(url, "checkpoint")

        flip = [changed, project]

        def update_all():
            flip.reverse()
            return self.synthex(flip[1], "apply", "--embedded", "--yes", "-q", "--format", "json")[0]

        updated = median_of(self.runs, update_all)
        self.report("P4 apply, all updated", size, updated, 2.5 * rewrite + plan, "<= 1.0 (2.5 x write + P1)")
        last = flip[1]
        self.psql(url, "vacuum analyze")
        shutil.rmtree(last / ".synthex", ignore_errors=True)
        again = median_of(self.runs, lambda: (shutil.rmtree(last / ".synthex", ignore_errors=True),
                                              self.synthex(last, "apply", "--embedded", "--yes")[0])[1])
        self.report("P5 apply, nothing to do", size, again, plan + 20, "<= 1.0 (P1 + 20 ms)")
        return dict(plan=plan, apply=applied)

    def small(self):
        version = median_of(20, lambda: self.synthex(self.folder, "--version")[0])
        self.report("P6 --version", 0, version, 10, "<= 1 (10 ms)")
        # Rows of other projects are read too, so the quickstart gets a database of its own.
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        self.empty(url.strip())
        quickstart = ROOT / "examples" / "quickstart"
        self.synthex(quickstart, "apply", "--embedded", "--yes")
        plan = median_of(20, lambda: self.synthex(quickstart, "plan", "--embedded")[0])
        self.report("P6 plan of the quickstart", 0, plan, 80, "<= 1 (80 ms)")

    def review(self):
        """A plan of 20,000 creates, as a reviewer and as a program get it."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        self.empty(url.strip())
        project = self.project(20_000)

        def view(*arguments):
            shutil.rmtree(project / ".synthex", ignore_errors=True)
            return self.synthex(project, "plan", "--embedded", *arguments)

        markdown = ["--format", "markdown", "--max-bytes", "65000"]
        out = view(*markdown)[1]
        if len(out.encode()) > 65_000 or len(out.encode("utf-16-le")) > 2 * 65_536:
            sys.exit(f"Markdown of {len(out.encode())} bytes does not fit")
        elapsed = median_of(self.runs, lambda: view(*markdown)[0])
        self.report("P7 plan as Markdown, all new", 20_000, elapsed, 2_000, "<= 1 (2 s)")
        elapsed = median_of(self.runs, lambda: view("--format", "json")[0])
        self.report("P7 plan as JSON, all new", 20_000, elapsed, 1_000, "<= 1 (1 s)")
        saved = str(self.folder / "plan.json")
        bare = median_of(self.runs, lambda: view("--summary")[0])
        with_file = median_of(self.runs, lambda: view("--summary", "--out", saved)[0])
        self.report("P8 saving a plan, all new", 20_000, max(with_file - bare, 1), 1_000, "<= 1 (1 s)")

        def apply(*arguments):
            self.empty(url.strip())
            if arguments:
                view("--out", saved)
            return self.synthex(project, "apply", *arguments, "--embedded", "--yes", "-q", "--format", "json")[0]

        direct = median_of(self.runs, apply)
        from_file = median_of(self.runs, lambda: apply(saved))
        self.report("P8 applying a saved plan", 20_000, from_file, direct, "<= 1.2 (direct apply)")
        changed = self.project(20_000, 20_000)
        elapsed = median_of(self.runs, lambda: self.synthex(changed, "plan", "--embedded", *markdown)[0])
        self.report("P7 plan as Markdown, all updated", 20_000, elapsed, 2_000, "<= 1 (2 s)")
        elapsed = median_of(self.runs, lambda: self.synthex(changed, "plan", "--embedded", "--format", "json")[0])
        self.report("P7 plan as JSON, all updated", 20_000, elapsed, 1_000, "<= 1 (1 s)")

    def drift(self, size):
        """What was changed by hand, against the time of selecting whole rows."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        project = self.project(size)
        self.synthex(project, "apply", "--embedded", "--yes", "-q")
        self.psql(url, "vacuum analyze")
        rows = median_of(self.runs, lambda: self.psql(url, "copy (select * from synthex.tenants) to stdout")[0])
        find = lambda *arguments: median_of(
            self.runs, lambda: self.synthex(project, "drift", "--embedded", *arguments, "--format", "json")[0])
        self.report("P9 drift, none", size, find(), rows, "<= 2 (whole rows)")
        self.report("P9 drift --full, none", size, find("--full"), rows, "<= 2 (whole rows)")
        self.psql(url, f"update synthex.tenants set industry = 'Toys' where name in "
                       f"(select name from synthex.tenants order by name limit {size // 100})")
        self.report("P9 drift, 1 % of the rows", size, find(), rows, "<= 2 (whole rows)")

    def batch(self, size):
        """Commands on many tenants, against one upsert of the same rows without any check or history."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        source = self.project(size)
        write = self.write_floor(url, source, False)
        rewrite = self.write_floor(url, source, True)
        # An operator's folder: the workspaces are declared, the tenants come as rows.
        project = self.folder / "batch"
        project.mkdir()
        for name in ("workspaces.yaml", "tenants.csv"):
            shutil.copy(source / name, project / name)
        (project / "synthex.yaml").write_text(PROJECT.replace(", tenants.yaml", ""))
        quiet = ["--embedded", "--yes", "-q", "--format", "json"]

        def create():
            self.empty(url)
            self.synthex(project, "apply", *quiet)
            elapsed, out = self.synthex(project, "batch", "tenants", "create", "--from-csv", "tenants.csv", *quiet)
            if json.loads(out)["successCount"] != size:
                sys.exit("not all rows became tenants")
            return elapsed

        self.report("P10 batch create from CSV", size, median_of(self.runs, create), write, "<= 3 (write floor)")
        self.psql(url, "vacuum analyze")
        words = ["Toys", "Retail"]

        def update():
            words.reverse()
            elapsed, out = self.synthex(
                project, "batch", "tenants", "update", "-l", "type=shopify", "--set", f"industry={words[0]} {size}", *quiet)
            if json.loads(out)["summary"]["update"] != size:
                sys.exit("not all tenants were updated")
            return elapsed

        self.report("P10 batch update by selector", size, median_of(self.runs, update), rewrite, "<= 3 (write floor)")

    def usage(self, size):
        """A report over 30 days of metrics, against the same figures by psql; then from the sums of whole days."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        project = ROOT / "examples" / "quickstart"
        self.psql(url, f"""
select synthex.usage_month(now() - month * interval '1 month') from generate_series(0, 2) as month;
insert into synthex.usage_metrics (id, recorded_at, workspace, actor, metric_type, metric_name, service, outcome, code, duration_ms)
select gen_random_uuid(), now() - interval '30 days' * (i / {size}.0), 'ws-' || i % 5, 'somebody@somewhere',
  case when i % 10 < 7 then 'command' when i % 10 < 9 then 'api_call' else 'error' end,
  case when i % 10 = 9 then 'apply' else 'command ' || i % 17 end,
  case when i % 10 in (7, 8) then (array['shopify', 'google-merchant'])[1 + i % 2] end,
  case when i % 23 = 0 or i % 10 = 9 then 'failed' else 'succeeded' end,
  case when i % 10 = 9 then 'code-' || i % 7 when i % 23 = 0 then '8' else '0' end,
  case when i % 10 < 9 then (5 + 40 * (-ln(random() + 1e-9)))::bigint end
from generate_series(1, {size}) as i""")
        self.psql(url, "vacuum analyze")
        since = "recorded_at >= now() - interval '30 days'"
        floor = median_of(self.runs, lambda: self.psql(url, f"""
select (recorded_at at time zone 'UTC')::date, workspace, metric_type, metric_name, service, outcome, code, count(*), sum(value)
  from synthex.usage_metrics where {since} group by 1, 2, 3, 4, 5, 6, 7;
select avg(duration_ms), percentile_cont(array[0.5, 0.95, 0.99]) within group (order by duration_ms)
  from synthex.usage_metrics where metric_type = 'command' and {since}""")[0])
        report = lambda: self.synthex(project, "analytics", "report", "--embedded", "--period", "30d", "--format", "json", "-q")
        self.report("P11 report, from metrics", size, median_of(self.runs, lambda: report()[0]), floor, "<= 1.3 (raw SQL)")
        before = json.loads(report()[1])
        summing = self.synthex(project, "analytics", "roll-up", "--embedded", "-q")[0]
        print(f"   the days were summed in {summing:.0f} ms", flush=True)
        self.psql(url, "vacuum analyze")
        self.report("P11 report, days summed", size, median_of(self.runs, lambda: report()[0]), 200, "<= 1 (200 ms)")
        after = json.loads(report()[1])
        # The period moves on between the two: only what is far from its edges is exactly the same.
        if abs(before["totalCommands"] - after["totalCommands"]) > size / 1_000 or after["summedDays"] < 28:
            sys.exit(f"the figures differ: {before} {after}")

    def alerts(self, size):
        """An evaluation of ten rules over that many credentials, whose expiry is spread over three years: one in which everything
        is new, and one in which nothing is. Both count their statements in the server's log."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        project = self.folder / "alerts"
        project.mkdir()
        head = "apiVersion: synthex.dev/v1\nkind: "
        (project / "synthex.yaml").write_text(head + "Project\nmetadata: {name: alerts}\nspec: {workspace: w, manifests: [all.yaml]}\n")
        documents = [head + "Workspace\nmetadata: {name: w}\nspec: {market: ANZ_SMB, region: AU-SE1}\n",
                     head + "NotificationChannel\nmetadata: {name: box}\nspec: {type: in-app}\n"]
        for number in range(10):
            documents.append(head + f"AlertRule\nmetadata: {{name: rule-{number}}}\nspec:\n  when: {{credentialExpiry: {{}}}}\n"
                             f"  selector: {{matchLabels: {{part: part-{number}}}}}\n  channels: [box]\n")
        (project / "all.yaml").write_text("---\n".join(documents))
        self.synthex(project, "apply", "--embedded", "--yes", "-q")
        self.psql(url, f"""
insert into synthex.tenants (workspace, name, display_name, type, market, region, labels)
select 'w', 'T' || i, 'Shop ' || i, 'shopify', 'ANZ_SMB', 'AU-SE1', jsonb_build_object('part', 'part-' || i % 10)
from generate_series(1, {size} / 10) as i;
insert into synthex.credentials (workspace, name, tenant, service, secret_ref, declared_expires_at)
select 'w', 'c' || i, 'T' || 1 + i % ({size} / 10), 'shopify', '{{"env": "C"}}', now() + interval '3 years' * (i / {size}.0)
from generate_series(1, {size}) as i""")
        self.psql(url, "vacuum analyze")
        log = next(self.folder.glob("pg/**/server.log"), None)
        counted = log is not None and run(["psql", url, "-qAtX", "-c", "alter system set log_statement = 'all'"], self.env,
                                          self.folder, check=False)[1] is not None
        self.psql(url, "select pg_reload_conf()", check=False)
        check = lambda: self.synthex(project, "alerts", "check-now", "--embedded", "-q", "--format", "json")

        def statements():
            lines = log.read_text(errors="replace").splitlines() if counted else []
            return sum(("execute <unnamed>" in line or "statement:" in line) and "synthex" in line for line in lines)

        times = []
        for _ in range(self.runs):
            self.psql(url, "truncate synthex.notifications cascade; truncate synthex.alerts, synthex.alert_thresholds, "
                           "synthex.alert_evaluations")
            before = statements()
            elapsed, out = check()
            most = statements() - before
            times.append(elapsed)
        fired = json.loads(out)["summary"]["fired"]
        if not size * 0.02 < fired < size * 0.04:
            sys.exit(f"{fired} fired")
        self.report("P12 alerts, all new", size, statistics.median(times), 2_000, "<= 1 (2 s)")
        before = statements()
        self.report("P12 alerts, nothing new", size, median_of(self.runs, lambda: check()[0]), 2_000, "<= 1 (2 s)")
        quiet = (statements() - before) / self.runs
        print(f"   {fired} fired; {most} statements where all is new, {quiet:.0f} where nothing is", flush=True)

    def delivery(self, size):
        """Two workers send what is queued to a server on this machine, through a webhook. None may arrive twice."""
        _, url = self.synthex(self.folder, "db", "url", "--embedded")
        url = url.strip()
        self.empty(url)
        log = self.folder / "received"
        receiver = subprocess.Popen([sys.executable, str(HERE / "receiver.py"), str(log)], stdout=subprocess.PIPE, text=True)
        port = receiver.stdout.readline().strip()
        project = self.folder / "delivery"
        project.mkdir()
        head = "apiVersion: synthex.dev/v1\nkind: "
        (project / "synthex.yaml").write_text(head + "Project\nmetadata: {name: delivery}\nspec: {workspace: w, manifests: [all.yaml]}\n")
        (project / "all.yaml").write_text(
            head + "Workspace\nmetadata: {name: w}\nspec: {market: ANZ_SMB, region: AU-SE1}\n---\n"
            + head + "NotificationChannel\nmetadata: {name: hook}\nspec:\n  type: webhook\n"
            + f"  webhook: {{url: 'http://127.0.0.1:{port}/'}}\n"
            + f"  network: {{allowCidrs: [127.0.0.0/8], allowPorts: [{port}], allowInsecure: true}}\n")
        self.synthex(project, "apply", "--embedded", "--yes", "-q")
        rates = []
        try:
            for _ in range(self.runs):
                log.write_text("")
                self.psql(url, f"""
truncate synthex.notifications cascade;
insert into synthex.notifications (id, workspace, type, event, severity, title, message, content, created_by, created_at)
select gen_random_uuid(), 'w', 'message', 'message', 'info', 'message ' || i, 'text', jsonb_build_object('topic', 'message',
  'event', 'message', 'severity', 'info', 'workspace', 'w', 'title', 'message ' || i, 'text', 'text', 'at', now()), 'bench', now()
from generate_series(1, {size}) as i;
insert into synthex.notification_deliveries (id, workspace, notification, channel, ordering_key, next_attempt_at, created_at)
select gen_random_uuid(), 'w', id, 'hook', id::text, now(), now() from synthex.notifications""")
                begun = time.perf_counter()
                workers = [subprocess.Popen([self.binary, "notify", "deliver", "--once", "--embedded", "-q"], env=self.env,
                                            cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) for _ in range(2)]
                outputs = [worker.communicate()[0].decode() for worker in workers]
                elapsed = time.perf_counter() - begun
                if any(worker.returncode for worker in workers):
                    sys.exit(f"a worker failed: {outputs}")
                received = log.read_text().split()
                if len(received) != size or len(set(received)) != size:
                    sys.exit(f"{len(received)} received, {len(set(received))} different, of {size}")
                rates.append(size / elapsed)
        finally:
            receiver.kill()
        self.report("P12 delivery, 2 workers", size, statistics.median(rates), 1_000, ">= 1 (1,000 a second)", "/s")

    def close(self):
        subprocess.run([self.binary, "db", "stop", "--embedded"], env=self.env, cwd=self.folder, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000", help="empty: only P6 to P12")
    parser.add_argument("--drift", type=int, default=100_000, help="rows for P9")
    parser.add_argument("--batch", type=int, default=10_000, help="rows for P10")
    parser.add_argument("--metrics", type=int, default=1_000_000, help="rows for P11")
    parser.add_argument("--credentials", type=int, default=100_000, help="credentials for P12")
    parser.add_argument("--messages", type=int, default=10_000, help="messages for P12")
    parser.add_argument("--only", help="the name of one measurement: review, drift, batch, usage, alerts, delivery, small")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--binary", default=str(ROOT / "target" / "release" / "synthex"))
    parser.add_argument("--json", help="also write the results to this file")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    try:
        sizes = [] if arguments.only else map(int, filter(None, arguments.sizes.split(",")))
        results = {size: bench.measure(size) for size in sizes}
        others = dict(review=bench.review, drift=lambda: bench.drift(arguments.drift),
                      batch=lambda: bench.batch(arguments.batch),
                      usage=lambda: bench.usage(arguments.metrics),
                      alerts=lambda: bench.alerts(arguments.credentials),
                      delivery=lambda: bench.delivery(arguments.messages), small=bench.small)
        for name, measure in others.items():
            if arguments.only in (None, name):
                measure()
        if 10_000 in results and 100_000 in results:
            for name in ("plan", "apply"):
                bench.report(f"P6 growth of {name}", 100_000, results[100_000][name], results[10_000][name], "<= 11")
    finally:
        bench.close()
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(bench.rows, indent=2) + "\n")


main()
