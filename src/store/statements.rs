//! The statements that are generated from the registry. Identifiers come from nowhere else; values are always parameters.

use std::fmt::Write as _;

use crate::model::kind::Table;
use crate::model::{Column, KindRef, Scope, SqlType};

/// The expression for the workspace of a row of a kind.
fn workspace_column(kind: KindRef) -> &'static str {
    match kind.scope {
        Scope::Global => "t.name",
        Scope::Workspace => "t.workspace",
    }
}

fn table(kind: KindRef) -> &'static Table {
    const NONE: Table = Table { name: "", columns: &[] };
    static NO_TABLE: Table = NONE;
    kind.table.as_ref().unwrap_or(&NO_TABLE)
}

/// The head of every row; `$1` is a workspace, or null for all.
#[must_use]
pub fn heads(kind: KindRef, one_workspace: bool) -> String {
    let workspace = workspace_column(kind);
    let filter = if one_workspace { format!(" where {workspace} = $1") } else { String::new() };
    format!(
        "select {workspace}, t.name, t.digest, t.revision, t.owner, t.touched_at is not null, \
         t.deleted_at is not null, t.protected from synthex.{} as t{filter}",
        table(kind).name
    )
}

/// Whole rows by key, every column as text; `$1` workspaces, `$2` names.
#[must_use]
pub fn rows(kind: KindRef) -> String {
    format!(
        "{} join unnest($1::text[], $2::text[]) as k (workspace, name) on {} = k.workspace and t.name = k.name",
        whole_rows(kind),
        workspace_column(kind)
    )
}

/// Whole rows that live, of a workspace where `$1` names one.
#[must_use]
pub fn living(kind: KindRef) -> String {
    let workspace = workspace_column(kind);
    format!("{} where t.deleted_at is null and ($1::text is null or {workspace} = $1)", whole_rows(kind))
}

/// Whole rows that live and belong to the project `$2`, of a workspace where `$1` names one, with their digest behind the
/// kind's columns.
#[must_use]
pub fn living_of_project(kind: KindRef) -> String {
    let sql = living(kind).replacen(" from synthex.", ", t.digest from synthex.", 1);
    format!("{sql} and t.owner = $2")
}

fn whole_rows(kind: KindRef) -> String {
    let workspace = workspace_column(kind);
    let mut sql = format!(
        "select {workspace}, t.name, t.labels::text, t.protected::text, (t.touched_at at time zone 'UTC')::text, t.touched_by, \
         t.owner, (t.deleted_at is not null)::text"
    );
    for column in table(kind).columns {
        let value = match column.sql {
            SqlType::Timestamp => format!("(t.{} at time zone 'UTC')::text", column.name),
            _ => format!("t.{}::text", column.name),
        };
        let _ = write!(sql, ", {value}");
    }
    let _ = write!(sql, " from synthex.{} as t", table(kind).name);
    sql
}

/// Keys of rows that something else wrote, or removed; `$1` is a workspace or null.
#[must_use]
pub fn marked(kind: KindRef) -> String {
    let (workspace, table) = (workspace_column(kind), table(kind).name);
    format!(
        "select {workspace}, t.name from synthex.{table} as t \
         where t.touched_at is not null and ($1::text is null or {workspace} = $1) \
         union select e.workspace, e.name from synthex.drift_events as e \
         where e.kind = '{table}' and e.operation = 'delete' and ($1::text is null or e.workspace = $1) \
         and not exists (select from synthex.{table} as t where {workspace} = e.workspace and t.name = e.name)"
    )
}

/// Keys for which the record of what was applied and the rows may disagree without any mark; `$1` is a workspace or null,
/// `$2` the project.
#[must_use]
pub fn unmarked(kind: KindRef) -> String {
    let (workspace, table) = (workspace_column(kind), table(kind).name);
    format!(
        "select i.workspace, i.name from synthex.batch_operation_items as i \
         join synthex.batch_operations as o on o.id = i.operation_id \
         left join synthex.{table} as t on {workspace} = i.workspace and t.name = i.name \
         where i.kind = '{table}' and i.outcome = 'applied' and o.project = $2 and ($1::text is null or i.workspace = $1) \
         and (t.name is null or t.deleted_at is not null or t.owner is distinct from $2 or i.action = 'delete') \
         group by 1, 2"
    )
}

/// What synthex last did to some resources; `$1` workspaces, `$2` names, `$3` the table. A resource that got another name
/// is gone under the former one.
pub const LAST_APPLIED: &str = "select k.workspace, k.name, l.after::text, l.revision, l.project, l.command, l.actor, l.finished_at \
     from unnest($1::text[], $2::text[]) as k (workspace, name) cross join lateral ( \
      select x.after, o.revision, o.project, o.command, o.actor, o.finished_at from ( \
       select i.operation_id, i.after, i.seq from synthex.batch_operation_items as i \
       where i.workspace = k.workspace and i.kind = $3 and i.name = k.name and i.outcome = 'applied' \
       union all select i.operation_id, null, 0 from synthex.batch_operation_items as i \
       where i.workspace = k.workspace and i.kind = $3 and i.renamed_from = k.name and i.outcome = 'applied') as x \
      join synthex.batch_operations as o on o.id = x.operation_id order by o.revision desc, x.seq desc limit 1) as l";

/// Foreign writes to some resources since a time, of those that were written more than once, are gone, or got another name,
/// and of those that are asked for in any case; `$1` workspaces, `$2` names, `$3` the times, `$4` the table, `$5` whether in
/// any case.
pub const FOREIGN_WRITES: &str = "select e.workspace, e.name, e.actor, e.occurred_at, e.before, e.after from ( \
      select e.*, k.wanted, count(*) over (partition by e.workspace, e.name) as writes from synthex.drift_events as e \
      join unnest($1::text[], $2::text[], $3::timestamptz[], $5::boolean[]) as k (workspace, name, since, wanted) \
      on e.workspace = k.workspace and e.name = k.name and e.occurred_at >= k.since where e.kind = $4) as e \
     where e.wanted or e.writes > 1 or e.after is null or e.before ->> 'name' <> e.name order by e.workspace, e.name, e.id";

/// The columns that a write sets, with the name of the parameter list's column and the type to cast to.
fn written(kind: KindRef) -> impl Iterator<Item = (&'static str, &'static str)> {
    let common = [("labels", "jsonb"), ("protected", "boolean"), ("digest", "bytea")];
    table(kind).columns.iter().map(|column| (column.name, column.sql.cast())).chain(common)
}

/// How many parameter lists come before those of `written`: workspaces, names, revisions.
pub const KEY_PARAMETERS: usize = 3;

/// `unnest($1::text[], ...) as u (...)`: keys and revisions first, then a list for each written column. The last
/// parameter of a statement, after the lists, is the owner; behind it come lists of texts with these names.
fn parameters(kind: KindRef, behind: &[&str]) -> String {
    let mut arrays = String::from("unnest($1::text[], $2::text[], $3::bigint[]");
    let mut names = String::from("workspace, name, revision");
    for (index, (name, cast)) in written(kind).enumerate() {
        let list = if cast == "bytea" { "bytea[]" } else { "text[]" };
        let _ = write!(arrays, ", ${}::{list}", index + KEY_PARAMETERS + 1);
        let _ = write!(names, ", new_{name}");
    }
    for (index, name) in behind.iter().enumerate() {
        let _ = write!(arrays, ", ${}::text[]", owner_parameter(kind) + 1 + index);
        let _ = write!(names, ", {name}");
    }
    format!("{arrays}) as u ({names})")
}

fn owner_parameter(kind: KindRef) -> usize {
    KEY_PARAMETERS + written(kind).count() + 1
}

/// New rows. Rows that are there already are left alone, and are missing from the count.
#[must_use]
pub fn insert(kind: KindRef) -> String {
    let key = match kind.scope {
        Scope::Global => "name",
        Scope::Workspace => "workspace, name",
    };
    let selected = match kind.scope {
        Scope::Global => "u.name",
        Scope::Workspace => "u.workspace, u.name",
    };
    let mut columns = String::new();
    let mut values = String::new();
    for (name, cast) in written(kind) {
        let _ = write!(columns, ", {name}");
        let _ = write!(values, ", u.new_{name}::{cast}");
    }
    format!(
        "insert into synthex.{} ({key}, owner{columns}) select {selected}, ${}{values} from {} on conflict ({key}) do nothing",
        table(kind).name,
        owner_parameter(kind),
        parameters(kind, &[])
    )
}

/// What an update does besides setting fields.
#[derive(Clone, Copy, Debug)]
pub struct Updating {
    /// Rows get another name: the list of former names comes behind the owner.
    pub renames: bool,
    /// Fields of some rows are left to somebody else: behind that comes a list that says, for each row, where they stand
    /// (see [`crate::plan::columns::places_of`], as JSON); null for rows of which nothing is left.
    pub leaves: bool,
    /// Rows that belong to somebody stay theirs; those of nobody become the writer's.
    pub keeps_owner: bool,
}

/// Rows that change, or live again, or change owner, or get another name, where the revision is the planned one. What
/// something else wrote stays marked where it is left: with the last write of what is left.
#[must_use]
pub fn update(kind: KindRef, updating: Updating) -> String {
    let Updating { renames, leaves, keeps_owner } = updating;
    let owner = match (keeps_owner, owner_parameter(kind)) {
        (true, number) => format!("coalesce(t.owner, ${number})"),
        (false, number) => format!("${number}"),
    };
    let former = if renames { "u.former_name" } else { "u.name" };
    let mut sets = if renames { ", name = u.name" } else { "" }.to_owned();
    for (name, cast) in written(kind) {
        let _ = write!(sets, ", {name} = u.new_{name}::{cast}");
    }
    let mut behind = Vec::new();
    behind.extend(renames.then_some("former_name"));
    behind.extend(leaves.then_some("places"));
    let (mut at, mut by, mut last) = ("null", "null", String::new());
    if leaves {
        at = "case when u.places is not null then coalesce(w.occurred_at, t.touched_at) end";
        by = "case when u.places is not null then coalesce(w.actor, t.touched_by) end";
        last = format!(
            " left join lateral ({}) as w on true",
            last_write(table(kind).name, "u.workspace", former, "u.places", "u.places is not null")
        );
    }
    format!(
        "update synthex.{} as t set owner = {owner}{sets}, revision = t.revision + 1, updated_at = now(), \
         deleted_at = null, touched_at = {at}, touched_by = {by} from {}{last} \
         where {} = u.workspace and t.name = {former} and t.revision = u.revision",
        table(kind).name,
        parameters(kind, &behind),
        workspace_column(kind)
    )
}

/// The last write by something else that changed what stands in one of some places of a row.
fn last_write(table: &str, workspace: &str, name: &str, places: &str, condition: &str) -> String {
    let side = |row: &str| {
        format!("coalesce(e.{row} #> array(select jsonb_array_elements_text(p.place)), 'null'::jsonb)")
    };
    format!(
        "select e.actor, e.occurred_at, e.before, e.after from synthex.drift_events as e \
         where e.workspace = {workspace} and e.kind = '{table}' and e.name = {name} and {condition} \
         and exists (select from jsonb_array_elements({places}::jsonb) as p (place) where {} <> {}) \
         order by e.id desc limit 1",
        side("before"),
        side("after")
    )
}

/// The last write by something else of what an apply left to it, before that apply; `$1` workspaces, `$2` names, `$3` the
/// times of the applies, `$4` where the fields stand.
#[must_use]
pub fn left_writes(kind: KindRef) -> String {
    format!(
        "select k.workspace, k.name, w.actor, w.occurred_at, w.before, w.after \
         from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[]) as k (workspace, name, applied_at, places) \
         cross join lateral ({}) as w",
        last_write(table(kind).name, "k.workspace", "k.name", "k.places", "e.occurred_at < k.applied_at")
    )
}

/// Rows that are softly deleted, where the revision is the planned one and nothing protects them. `$1` workspaces, `$2`
/// names, `$3` revisions.
#[must_use]
pub fn delete(kind: KindRef) -> String {
    format!(
        "update synthex.{} as t set deleted_at = now(), revision = t.revision + 1, updated_at = now(), \
         touched_at = null, touched_by = null \
         from unnest($1::text[], $2::text[], $3::bigint[]) as u (workspace, name, revision) \
         where {} = u.workspace and t.name = u.name and t.revision = u.revision and not t.protected",
        table(kind).name,
        workspace_column(kind)
    )
}

/// Rows that are removed for good, with the parameters of [`delete`].
#[must_use]
pub fn remove(kind: KindRef) -> String {
    format!(
        "delete from synthex.{} as t \
         using unnest($1::text[], $2::text[], $3::bigint[]) as u (workspace, name, revision) \
         where {} = u.workspace and t.name = u.name and t.revision = u.revision and not t.protected",
        table(kind).name,
        workspace_column(kind)
    )
}

/// The revisions that rows have now, where they are there; the role that wrote or removed them by hand; and the operation
/// that wrote them last; `$1` workspaces, `$2` names.
#[must_use]
pub fn revisions(kind: KindRef) -> String {
    let (role, operation) = last_writers(kind);
    format!(
        "select k.workspace, k.name, t.revision, {role}, {operation} \
         from unnest($1::text[], $2::text[]) as k (workspace, name) \
         left join synthex.{table} as t on {workspace} = k.workspace and t.name = k.name",
        table = table(kind).name,
        workspace = workspace_column(kind)
    )
}

/// Which rows are not there or are deleted: the key, whether it is deleted, and who wrote or removed it last; `$1`
/// workspaces, `$2` names.
#[must_use]
pub fn absent(kind: KindRef) -> String {
    let (role, operation) = last_writers(kind);
    format!(
        "select k.workspace, k.name, t.name is not null, coalesce({role}, {operation}) \
         from unnest($1::text[], $2::text[]) as k (workspace, name) \
         left join synthex.{table} as t on {workspace} = k.workspace and t.name = k.name \
         where t.name is null or t.deleted_at is not null order by 1, 2",
        table = table(kind).name,
        workspace = workspace_column(kind)
    )
}

/// Which of some names living rows of a kind mention, in a column, or by being in the workspace of that name: workspace and
/// name, the first such row, and who wrote it last; `$1` workspaces, `$2` names.
#[must_use]
pub fn mentions(by: KindRef, column: Option<&Column>) -> String {
    let table = table(by).name;
    let names = "unnest($1::text[], $2::text[]) as g (workspace, name)";
    // A list is taken apart once for each row, and not once for each row and name.
    let rows = match column {
        None => format!(
            "{names} cross join lateral (select r.name from synthex.{table} as r \
             where r.workspace = g.workspace and r.deleted_at is null order by r.name limit 1) as r"
        ),
        Some(Column { name, sql: SqlType::Json, .. }) => format!(
            "synthex.{table} as r cross join lateral jsonb_array_elements_text(r.{name}) as m (name) \
             join {names} on r.workspace = g.workspace and m.name = g.name where r.deleted_at is null"
        ),
        Some(Column { name, .. }) => format!(
            "{names} join synthex.{table} as r on r.workspace = g.workspace and r.{name} = g.name \
             where r.deleted_at is null"
        ),
    };
    let (role, operation) = last_writers(by);
    format!(
        "select k.workspace, k.mentioned, k.name, coalesce({role}, {operation}) \
         from (select distinct on (g.workspace, g.name) g.workspace, g.name as mentioned, r.name from {rows} \
         order by g.workspace, g.name, r.name) as k \
         join synthex.{table} as t on t.workspace = k.workspace and t.name = k.name order by 1, 2"
    )
}

/// Two expressions on a key `k` and its row `t`, which need not be there: the role that wrote or removed it by hand, and the
/// operation that wrote it last.
fn last_writers(kind: KindRef) -> (String, String) {
    let table = table(kind).name;
    (
        format!(
            "'role ' || coalesce(t.touched_by, \
             (select e.actor from synthex.drift_events as e where t.name is null \
             and e.workspace = k.workspace and e.kind = '{table}' and e.name = k.name and e.operation = 'delete' \
             order by e.id desc limit 1))"
        ),
        format!(
            "(select o.actor || ' with ' || o.command || ' (revision ' || o.revision || ')' \
             from synthex.batch_operation_items as i join synthex.batch_operations as o on o.id = i.operation_id \
             where i.workspace = k.workspace and i.kind = '{table}' and k.name in (i.name, i.renamed_from) \
             and i.outcome = 'applied' order by o.revision desc limit 1)"
        ),
    )
}

/// The removals of some rows by something else, the last of each; `$1` workspaces, `$2` names, `$3` the table.
pub const VANISHED: &str = "select distinct on (e.workspace, e.name) e.workspace, e.name, e.operation, e.actor, e.occurred_at \
     from synthex.drift_events as e join unnest($1::text[], $2::text[]) as k (workspace, name) \
     on e.workspace = k.workspace and e.name = k.name where e.kind = $3 order by e.workspace, e.name, e.id desc";

/// The removals by something else that were not followed by anything else; `$1` a workspace, or null for all.
pub const ALL_VANISHED: &str = "select kind, workspace, name, actor, occurred_at from ( \
     select distinct on (e.kind, e.workspace, e.name) e.* from synthex.drift_events as e \
     where $1::text is null or e.workspace = $1 order by e.kind, e.workspace, e.name, e.id desc) as last \
     where operation = 'delete' order by kind, workspace, name";
