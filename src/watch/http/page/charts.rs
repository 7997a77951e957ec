//! The geometry of charts: numbers in, rectangles out. Templates draw them; heights say what colours say.

use chrono::NaiveDate;
use serde::Serialize;

use crate::watch::http::desk::Beat;

/// A bar of a chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Bar {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
    pub tone: &'static str,
    /// What it says, for whoever points at it.
    pub title: String,
}

/// The history of a check: a row of bars, the higher the worse.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Spark {
    pub bars: Vec<Bar>,
    /// The same in words.
    pub label: String,
}

/// How many results are shown.
pub(super) const BEATS: usize = 40;

/// Draws the last results, in a field of [`BEATS`] times 4 by 20; the newest is on the right.
pub(super) fn spark(history: &[Beat]) -> Spark {
    let shown = history.get(history.len().saturating_sub(BEATS)..).unwrap_or_default();
    let start = BEATS - shown.len();
    let bar = |(place, beat): (usize, &Beat)| {
        let (height, tone) = match beat.status.as_str() {
            "healthy" => (6.0, "good"),
            "degraded" => (12.0, "warn"),
            "unhealthy" => (20.0, "bad"),
            _ => (3.0, "idle"),
        };
        let took = beat.latency_ms.map_or_else(String::new, |took| format!(", {took} ms"));
        let title = format!("{}{took}", beat.status);
        Bar { x: (start + place) as f64 * 4.0, y: 20.0 - height, width: 3.0, height, tone, title }
    };
    let count = |status: &str| shown.iter().filter(|beat| beat.status == status).count();
    let parts: Vec<String> = ["unhealthy", "degraded", "healthy", "unknown"]
        .into_iter()
        .filter_map(|status| Some((status, count(status))).filter(|(_, count)| *count > 0))
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    let label = match shown.len() {
        0 => "no results yet".to_owned(),
        all => format!("the last {all}: {}", parts.join(", ")),
    };
    Spark { bars: shown.iter().enumerate().map(bar).collect(), label }
}

/// Commands by day: a field of 100 by 40, failed ones at the foot of each bar.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Days {
    pub bars: Vec<Bar>,
    pub first: Option<NaiveDate>,
    pub last: Option<NaiveDate>,
    /// The most in one day.
    pub most: u64,
    /// The same in words.
    pub label: String,
}

/// Draws commands by day; a day without any has its place too.
pub(super) fn days(by_day: &[(NaiveDate, u64, u64)]) -> Days {
    let (first, last) = (by_day.first().map(|(day, ..)| *day), by_day.last().map(|(day, ..)| *day));
    let most = by_day.iter().map(|(_, count, _)| *count).max().unwrap_or_default();
    let span = first.zip(last).map_or(1, |(first, last)| (last - first).num_days() + 1);
    let step = 100.0 / span as f64;
    let tall = |count: u64| if most == 0 { 0.0 } else { 40.0 * count as f64 / most as f64 };
    let mut bars = Vec::new();
    for (day, count, failed) in by_day {
        let x = first.map_or(0, |first| (*day - first).num_days()) as f64 * step;
        let title = format!("{day}: {count} commands, {failed} failed");
        let (height, below) = (tall(*count), tall(*failed));
        let width = step * 0.8;
        bars.push(Bar {
            x,
            y: 40.0 - height,
            width,
            height: height - below,
            tone: "plain",
            title: title.clone(),
        });
        if *failed > 0 {
            bars.push(Bar { x, y: 40.0 - below, width, height: below, tone: "bad", title });
        }
    }
    let all: u64 = by_day.iter().map(|(_, count, _)| *count).sum();
    let failed: u64 = by_day.iter().map(|(_, _, failed)| *failed).sum();
    let label = format!("{all} commands, {failed} of them failed; at most {most} in a day");
    Days { bars, first, last, most, label }
}

/// A share in a list of bars, from 0 to 100.
pub(super) fn share(count: u64, most: u64) -> f64 {
    if most == 0 { 0.0 } else { 100.0 * count as f64 / most as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_result_is_on_the_right_and_the_worst_is_the_highest() {
        let beat = |status: &str| Beat { status: status.to_owned(), latency_ms: Some(5) };
        let drawn = spark(&[beat("healthy"), beat("unhealthy")]);
        assert_eq!(drawn.label, "the last 2: 1 unhealthy, 1 healthy");
        assert_eq!((drawn.bars[1].x, drawn.bars[1].y, drawn.bars[1].height), (156.0, 0.0, 20.0));
        assert!(drawn.bars[0].height < drawn.bars[1].height);
        let many: Vec<Beat> = (0..90).map(|_| beat("healthy")).collect();
        assert_eq!(spark(&many).bars.len(), BEATS);
        assert_eq!(spark(&[]).label, "no results yet");
    }

    #[test]
    fn days_without_commands_keep_their_place() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 3, day).unwrap();
        let drawn = days(&[(day(1), 10, 0), (day(5), 5, 5)]);
        assert_eq!((drawn.most, drawn.bars.len()), (10, 3));
        assert_eq!((drawn.bars[0].x, drawn.bars[0].height), (0.0, 40.0));
        assert_eq!((drawn.bars[2].x, drawn.bars[2].y, drawn.bars[2].height), (80.0, 20.0, 20.0));
        assert_eq!(days(&[]).most, 0);
    }
}
