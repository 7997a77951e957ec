//! Reports on usage for people: a few lines, then tables; bars and lines only where a terminal draws them.

use chrono::NaiveDate;

use crate::report::Style;
use crate::report::table::table;

use super::{Counted, Period, Report, Statistics, Usage};

/// Whether charts are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chart {
    /// On a terminal.
    Drawn,
    /// Elsewhere.
    No,
}

/// The longest bar, in columns.
const BAR: u64 = 20;

/// How many rows of a table a report has.
const MOST: usize = 10;

/// A whole report.
#[must_use]
pub fn report_text(report: &Report, style: &Style, chart: Chart) -> String {
    let mut text = heading("Usage", &report.period, report.workspace.as_deref());
    if report.is_empty() {
        text.push_str("No data: nothing was recorded in this period.\n");
        return text;
    }
    let failed = |counted: &Counted| match counted.failed {
        0 => counted.count.to_string(),
        failed => format!("{}, {failed} failed{}", counted.count, share(counted)),
    };
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<22}  {value}\n"));
    line("commands", &failed(&report.commands));
    line("API calls", &failed(&report.api_calls));
    line("credential operations", &failed(&report.credential_ops));
    line("changes to tenants", &report.tenant_ops.to_string());
    line("errors", &report.errors.to_string());
    line("time of a command", &times(&report.statistics));
    if chart == Chart::Drawn && report.by_day.len() > 1 {
        line("commands a day", &days(&report.by_day, &report.period));
    }
    for (headers, counted) in [
        (["COMMAND", "COUNT"], &report.by_command),
        (["SERVICE", "CALLS"], &report.by_service),
        (["WORKSPACE", "COUNT"], &report.by_workspace),
    ] {
        if !counted.is_empty() {
            text.push('\n');
            text.push_str(&counted_table(headers, counted, style, chart));
        }
    }
    if !report.top_errors.is_empty() {
        text.push('\n');
        text.push_str(&errors_table(&report.top_errors, MOST, style, chart));
    }
    text
}

/// Commands and how long they took.
#[must_use]
pub fn commands_text(
    period: &Period,
    workspace: Option<&str>,
    usages: &[Usage],
    style: &Style,
    chart: Chart,
) -> String {
    let mut text = heading("Commands", period, workspace);
    if usages.is_empty() {
        text.push_str("No data: no command was recorded in this period.\n");
        return text;
    }
    let most = usages.iter().map(|usage| usage.counted.count).max().unwrap_or_default();
    let unit = Unit::of(usages.iter().map(|usage| &usage.statistics));
    let rows = usages.iter().map(|usage| {
        let statistics = &usage.statistics;
        let mut row = vec![
            usage.name.clone(),
            usage.counted.count.to_string(),
            usage.counted.failed.to_string(),
            unit.time(statistics.average),
            unit.time(statistics.p50),
            unit.time(statistics.p95),
            unit.time(statistics.p99),
        ];
        row.extend((chart == Chart::Drawn).then(|| bar(usage.counted.count, most)));
        row
    });
    let mut headers = vec!["COMMAND", "RUNS", "FAILED", "AVG", "P50", "P95", "P99"];
    headers.extend((chart == Chart::Drawn).then_some(" "));
    text.push_str(&table(&headers, rows.collect(), style));
    text
}

/// Errors, the most frequent first.
#[must_use]
pub fn errors_text(report: &Report, most: usize, style: &Style, chart: Chart) -> String {
    let mut text = heading("Errors", &report.period, report.workspace.as_deref());
    if report.top_errors.is_empty() {
        let words =
            if report.is_empty() { "No data: nothing was recorded in this period." } else { "No errors." };
        text.push_str(&format!("{words}\n"));
        return text;
    }
    let Counted { count, failed } = report.commands;
    text.push_str(&format!("  {failed} of {count} commands failed{}\n\n", share(&report.commands)));
    text.push_str(&errors_table(&report.top_errors, most, style, chart));
    text
}

/// How long one command, or all of them, took.
#[must_use]
pub fn performance_text(
    report: &Report,
    command: Option<&str>,
    histogram: &[(String, u64)],
    chart: Chart,
) -> String {
    let title =
        command.map_or("All commands".to_owned(), |name| format!("`{}`", crate::report::clean::clean(name)));
    let mut text = heading(&title, &report.period, report.workspace.as_deref());
    let Statistics { count, average, p50, p95, p99, shortest, longest } = report.statistics;
    if count == 0 {
        text.push_str("No data: it was not run in this period.\n");
        return text;
    }
    let unit = Unit::of(std::iter::once(&report.statistics));
    // What is whole milliseconds and beyond 2^53 took longer than there is time.
    let whole = |value: Option<u64>| unit.time(value.map(|value| value as f64));
    for (name, value) in [
        (
            "runs",
            format!(
                "{}, {} failed{}",
                report.commands.count,
                report.commands.failed,
                share(&report.commands)
            ),
        ),
        ("average", unit.time(average)),
        ("p50", unit.time(p50)),
        ("p95", unit.time(p95)),
        ("p99", unit.time(p99)),
        ("shortest", whole(shortest)),
        ("longest", whole(longest)),
    ] {
        text.push_str(&format!("  {name:<8}  {value}\n"));
    }
    if chart == Chart::Drawn {
        let most = histogram.iter().map(|(_, count)| *count).max().unwrap_or_default();
        text.push('\n');
        for (label, count) in histogram {
            text.push_str(format!("  {label:>10}  {count:>7}  {}", bar(*count, most)).trim_end());
            text.push('\n');
        }
    }
    text
}

fn heading(what: &str, period: &Period, workspace: Option<&str>) -> String {
    let place =
        workspace.map_or(String::new(), |name| format!(", workspace {}", crate::report::clean::clean(name)));
    format!("{what}, {}{place}\n", period.shown())
}

fn share(counted: &Counted) -> String {
    counted.error_rate().map_or(String::new(), |rate| format!(" ({:.1} %)", rate * 100.0))
}

fn times(statistics: &Statistics) -> String {
    if statistics.count == 0 {
        return "no data".to_owned();
    }
    let Statistics { average, p50, p95, p99, .. } = *statistics;
    let unit = Unit::of(std::iter::once(statistics));
    let time = |value| unit.time(value);
    format!("avg {}, p50 {}, p95 {}, p99 {}", time(average), time(p50), time(p95), time(p99))
}

/// The unit of all times of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Milliseconds,
    Seconds,
}

impl Unit {
    /// Seconds where something took ten of them.
    fn of<'a>(mut statistics: impl Iterator<Item = &'a Statistics>) -> Self {
        let is_long = |statistics: &Statistics| statistics.longest.is_some_and(|longest| longest >= 10_000);
        if statistics.any(is_long) { Self::Seconds } else { Self::Milliseconds }
    }

    fn time(self, milliseconds: Option<f64>) -> String {
        match (milliseconds, self) {
            (None, _) => "-".to_owned(),
            (Some(time), Self::Seconds) => format!("{:.3} s", time / 1_000.0),
            (Some(time), Self::Milliseconds) => format!("{} ms", format!("{time:.1}").trim_end_matches(".0")),
        }
    }
}

fn counted_table(
    [name, count]: [&str; 2],
    counted: &[(String, Counted)],
    style: &Style,
    chart: Chart,
) -> String {
    let most = counted.iter().map(|(_, counted)| counted.count).max().unwrap_or_default();
    let row = |(name, counted): &(String, Counted)| {
        let name = if name.is_empty() { "(none)".to_owned() } else { name.clone() };
        let mut row = vec![name, counted.count.to_string(), counted.failed.to_string()];
        row.extend((chart == Chart::Drawn).then(|| bar(counted.count, most)));
        row
    };
    let mut headers = vec![name, count, "FAILED"];
    headers.extend((chart == Chart::Drawn).then_some(" "));
    let mut text = table(&headers, counted.iter().take(MOST).map(row).collect(), style);
    if counted.len() > MOST {
        text.push_str(&format!("and {} more\n", counted.len() - MOST));
    }
    text
}

fn errors_table(errors: &[(String, u64)], most_rows: usize, style: &Style, chart: Chart) -> String {
    let most = errors.iter().map(|(_, count)| *count).max().unwrap_or_default();
    let row = |(error, count): &(String, u64)| {
        let mut row = vec![error.clone(), count.to_string()];
        row.extend((chart == Chart::Drawn).then(|| bar(*count, most)));
        row
    };
    let mut headers = vec!["ERROR", "COUNT"];
    headers.extend((chart == Chart::Drawn).then_some(" "));
    let mut text = table(&headers, errors.iter().take(most_rows).map(row).collect(), style);
    if errors.len() > most_rows {
        text.push_str(&format!("and {} more\n", errors.len() - most_rows));
    }
    text
}

/// A bar as long as its share of the longest; what is not nothing is seen.
fn bar(count: u64, most: u64) -> String {
    let length = if count == 0 || most == 0 { 0 } else { (count * BAR / most).max(1) };
    "█".repeat(usize::try_from(length).unwrap_or_default())
}

/// A line of one character a day; days without a command are low.
fn days(by_day: &[(NaiveDate, Counted)], period: &Period) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const WIDEST: usize = 60;
    let most = by_day.iter().map(|(_, counted)| counted.count).max().unwrap_or_default().max(1);
    let first = by_day.first().map_or(period.start.date_naive(), |(day, _)| *day);
    let last = by_day.last().map_or(first, |(day, _)| *day);
    let line: Vec<char> = first
        .iter_days()
        .take_while(|day| *day <= last)
        .map(|day| {
            let found = by_day.binary_search_by_key(&day, |(day, _)| *day).ok();
            let count = found.map_or(0, |index| by_day[index].1.count);
            let level = usize::try_from(count * 7 / most).unwrap_or_default();
            LEVELS[level.min(7)]
        })
        .collect();
    line[line.len().saturating_sub(WIDEST)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_nothing_is_seen() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(1, 1_000), "█");
        assert_eq!(bar(10, 10).chars().count(), 20);
        assert_eq!(bar(0, 0), "");
    }

    #[test]
    fn days_without_a_command_are_low() {
        let day = |text: &str, count| (text.parse().unwrap(), Counted { count, failed: 0 });
        let period = Period::last("7d", "2026-03-10T12:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(
            days(&[day("2026-03-04", 1), day("2026-03-06", 7), day("2026-03-07", 4)], &period),
            "▂▁█▅"
        );
    }

    #[test]
    fn no_data_is_not_zero() {
        assert_eq!(Unit::Seconds.time(None), "-");
        assert_eq!(times(&Statistics::default()), "no data");
        assert_eq!(Unit::Milliseconds.time(Some(0.0)), "0 ms");
    }

    #[test]
    fn all_times_of_a_report_are_in_one_unit() {
        let of = |shortest, longest| Statistics {
            count: 2,
            average: Some(1_213.0),
            p50: Some(40.0),
            p95: Some(500.0),
            p99: Some(9_000.0),
            shortest: Some(shortest),
            longest: Some(longest),
        };
        assert_eq!(times(&of(1, 60_907)), "avg 1.213 s, p50 0.040 s, p95 0.500 s, p99 9.000 s");
        assert_eq!(times(&of(1, 9_999)), "avg 1213 ms, p50 40 ms, p95 500 ms, p99 9000 ms");
        let period = Period::last("7d", "2026-03-10T12:00:00Z".parse().unwrap()).unwrap();
        let mut report = Report::new(period, None, &crate::model::usage::Figures::default(), &[]);
        report.statistics = of(7, 60_907);
        let text = performance_text(&report, None, &[], Chart::No);
        assert!(text.contains("60.907 s") && text.contains("0.007 s") && !text.contains(" ms"), "{text}");
    }
}
