//! Time series: which intervals are shown, and the chart that text has of them.
//!
//! The state of a series is a ring of intervals, each with the number that it has counted from 1970 on. All series of a
//! map are shown up to the latest interval that any of them has, so that their rows can be compared; each begins with
//! its own first. An interval without values has no number.

use lang::types::{Aggregate, SERIES_WORDS, SeriesOf};

use super::number::{Number, words};
use super::{push_fmt, world::World};

/// An interval of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it begins, in nanoseconds since 1970.
    pub start: u64,
    /// What stands for its values, if it had any.
    pub value: Option<Number>,
}

/// The words of an interval in the state.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    value: u64,
    with: u64,
    number: u64,
}

impl Interval {
    fn read(words: &[u64; SERIES_WORDS as usize]) -> Self {
        Self { value: words[0], with: words[1], number: words[2] }
    }

    fn is_used(self) -> bool {
        self.with != 0
    }

    fn words(self) -> [u64; SERIES_WORDS as usize] {
        [self.value, self.with, self.number]
    }

    /// Takes in what another CPU has of the same place in the ring: the later interval stays.
    fn take(&mut self, other: Self, of: SeriesOf, signed: bool) {
        if !other.is_used() {
            return;
        }
        if !self.is_used() || other.number > self.number {
            *self = other;
            return;
        }
        if other.number < self.number {
            return;
        }
        let order = |interval: Self| Number::new(interval.value, signed).order();
        match of {
            SeriesOf::Last if (other.with, order(other)) > (self.with, order(*self)) => *self = other,
            SeriesOf::Max if order(other) > order(*self) => *self = other,
            SeriesOf::Min if order(other) < order(*self) => *self = other,
            SeriesOf::Last | SeriesOf::Max | SeriesOf::Min => {}
            SeriesOf::Sum => self.value = self.value.wrapping_add(other.value),
            SeriesOf::Avg => {
                self.value = self.value.wrapping_add(other.value);
                self.with = self.with.wrapping_add(other.with);
            }
        }
    }

    fn number_of(self, of: SeriesOf, signed: bool) -> Number {
        // An oddity of bpftrace's: it takes the interval that begins with 1970 for one without a value, and that for 0.
        let value = if self.number == 0 { 0 } else { self.value };
        match of {
            SeriesOf::Avg => Number::new(value, signed).divided_by(self.with),
            _ => Number::new(value, signed),
        }
    }
}

/// The intervals in a state.
fn intervals(state: &[u8]) -> impl Iterator<Item = Interval> + '_ {
    state.chunks_exact(SERIES_WORDS as usize * 8).map(interval)
}

fn interval(bytes: &[u8]) -> Interval {
    let mut read = [0; SERIES_WORDS as usize];
    for (word, from) in read.iter_mut().zip(words(bytes)) {
        *word = from;
    }
    Interval::read(&read)
}

/// Merges a CPU's state into what has been gathered from others.
pub fn merge(of: SeriesOf, signed: bool, total: &mut [u8], cpu: &[u8]) {
    let size = SERIES_WORDS as usize * 8;
    for (total, cpu) in total.chunks_exact_mut(size).zip(cpu.chunks_exact(size)) {
        let mut merged = interval(total);
        merged.take(interval(cpu), of, signed);
        for (word, to) in merged.words().into_iter().zip(total.as_chunks_mut::<8>().0) {
            *to = word.to_ne_bytes();
        }
    }
}

/// The number of the latest interval of some series, if any has one.
pub fn latest<'a>(states: impl Iterator<Item = &'a [u8]>) -> Option<u64> {
    states.flat_map(intervals).filter(|interval| interval.is_used()).map(|interval| interval.number).max()
}

/// The intervals of a series up to the latest one of its map, values divided by `div`; none for another aggregate, or if
/// no series of the map has any. A series whose intervals are all too long ago has the latest one, without a value.
pub fn points(aggregate: Aggregate, state: &[u8], latest: Option<u64>, div: u64) -> Vec<Point> {
    let (Aggregate::TSeries { interval: length, intervals: kept, of, signed }, Some(latest)) = (aggregate, latest)
    else {
        return Vec::new();
    };
    let earliest = latest.saturating_sub(u64::from(kept).saturating_sub(1));
    let used = || intervals(state).filter(|interval| interval.is_used() && interval.number >= earliest);
    let first = used().map(|interval| interval.number).min().unwrap_or(latest);
    let mut points: Vec<Point> =
        (first..=latest).map(|number| Point { start: number.wrapping_mul(length), value: None }).collect();
    for interval in used() {
        if let Some(point) = points.get_mut((interval.number - first) as usize) {
            point.value = Some(interval.number_of(of, signed).divided_by(div));
        }
    }
    points
}

/// Columns of the chart, its borders included.
pub(super) const WIDTH: usize = 53;

/// Columns for the smallest value above and below the chart; the largest has the rest.
const SMALLEST: usize = 21;

/// How precisely times are shown, by the length of an interval: digits after the second and the unit's name.
fn precision(points: &[Point]) -> (usize, &'static str) {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return (0, "") };
    let steps = (points.len() as u64 - 1).max(1);
    match last.start.wrapping_sub(first.start) / steps {
        1_000_000_000.. => (0, ""),
        1_000_000.. => (3, "ms"),
        1_000.. => (6, "μs"),
        // Which is also the length of a single interval: it is not known from the one before.
        _ => (9, "ns"),
    }
}

/// Appends the lines of the chart. A series without intervals has one line that says so.
pub fn write_chart(out: &mut Vec<u8>, points: &[Point], world: &dyn World) {
    write_chart_of(out, points, WIDTH, world);
}

/// Columns of a line of the chart beside the chart itself, at most: the time, and the longest of the values.
pub fn around_chart(points: &[Point]) -> usize {
    let values = points.iter().filter_map(|point| point.value).map(|value| exact(value).to_string().len());
    time_width(precision(points).0) + 2 + values.max().unwrap_or(1)
}

/// The same with a chart of so many columns.
pub fn write_chart_of(out: &mut Vec<u8>, points: &[Point], width: usize, world: &dyn World) {
    if points.is_empty() {
        return out.extend_from_slice(b"<no data>");
    }
    let (digits, unit) = precision(points);
    let time_width = time_width(digits);
    let range = Range::of(points);
    write_bounds(out, time_width, width, range);
    let heading = if digits > 0 { format!("hh:mm:ss.{unit}") } else { "hh:mm:ss".to_owned() };
    out.extend_from_slice(heading.as_bytes());
    // By bytes, of which the letter in μs has two: the heading of that unit is a column too short.
    out.resize(out.len() + (time_width + 1).saturating_sub(heading.len()), b' ');
    write_border(out, b'|', width);
    for point in points {
        write_time(out, point.start, digits, world);
        out.push(b' ');
        let mut line = vec![b' '; width];
        line[0] = b'|';
        line[width - 1] = b'|';
        if let Some(zero) = range.and_then(|range| range.zero(width)) {
            line[zero] = b'.';
        }
        if let (Some(value), Some(range)) = (point.value, range) {
            line[range.place(value, width)] = b'*';
        }
        out.extend_from_slice(&line);
        out.push(b' ');
        match point.value {
            Some(value) => value.write(out, false),
            None => out.push(b'-'),
        }
        out.push(b'\n');
    }
    out.resize(out.len() + time_width + 1, b' ');
    write_border(out, b'v', width);
    write_bounds(out, time_width, width, range);
}

/// Columns of a time with so many digits after the second.
fn time_width(digits: usize) -> usize {
    "hh:mm:ss".len() + if digits > 0 { 1 + digits } else { 0 }
}

fn write_border(out: &mut Vec<u8>, end: u8, width: usize) {
    out.push(end);
    out.resize(out.len() + width - 2, b'_');
    out.extend_from_slice(&[end, b'\n']);
}

/// Appends the smallest and the largest value over the ends of the chart.
fn write_bounds(out: &mut Vec<u8>, time_width: usize, width: usize, range: Option<Range>) {
    let [smallest, largest] = match range {
        Some(range) => [range.smallest, range.largest].map(|bound| bound.to_string()),
        None => ["null", "null"].map(str::to_owned),
    };
    let left = SMALLEST.min(width / 2);
    let right = width - left;
    push_fmt(out, format_args!("{:1$}{smallest:<left$}{largest:>right$}\n", "", time_width + 1));
}

/// From the smallest to the largest value of a chart.
#[derive(Clone, Copy, Debug)]
struct Range {
    smallest: i128,
    largest: i128,
}

impl Range {
    /// None where there are no values. A single value has room on both sides, within what its type holds.
    fn of(points: &[Point]) -> Option<Self> {
        let values = || points.iter().filter_map(|point| point.value);
        let (smallest, largest) = (values().map(exact).min()?, values().map(exact).max()?);
        if smallest < largest {
            return Some(Self { smallest, largest });
        }
        let (least, most) = match values().next()? {
            Number::Signed(_) => (i128::from(i64::MIN), i128::from(i64::MAX)),
            Number::Unsigned(_) => (0, i128::from(u64::MAX)),
        };
        Some(Self { smallest: (smallest - 1).max(least), largest: (largest + 1).min(most) })
    }

    /// The column of a value.
    fn place(self, value: Number, width: usize) -> usize {
        self.column(width - 1, exact(value), width)
    }

    /// The column of 0, if there are values on both sides.
    fn zero(self, width: usize) -> Option<usize> {
        // By the whole width, where values have one less: so bpftrace does, and it is seldom seen.
        (self.smallest < 0 && self.largest > 0).then(|| self.column(width, 0, width)).filter(|column| *column > 0)
    }

    /// In single precision and in this order, so that every value comes to stand where bpftrace has it.
    fn column(self, columns: usize, value: i128, width: usize) -> usize {
        let share = columns as f32 * (value - self.smallest) as f32 / (self.largest - self.smallest) as f32;
        (share as usize).min(width - 1)
    }
}

fn exact(number: Number) -> i128 {
    match number {
        Number::Signed(value) => value.into(),
        Number::Unsigned(value) => value.into(),
    }
}

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Appends the time of day, with so many digits after the second.
fn write_time(out: &mut Vec<u8>, nanoseconds: u64, digits: usize, world: &dyn World) {
    let seconds = (nanoseconds / SECOND) as i64;
    write_clock(out, (seconds + world.local_offset(seconds)).rem_euclid(DAY));
    if digits > 0 {
        let fraction = nanoseconds % SECOND / 10u64.pow(9 - digits as u32);
        push_fmt(out, format_args!(".{fraction:0digits$}"));
    }
}

fn write_clock(out: &mut Vec<u8>, second: i64) {
    push_fmt(out, format_args!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60));
}

/// Appends a time with its date in UTC: `2026-11-21 16:15:15.000000000`.
pub fn write_date_and_time(out: &mut Vec<u8>, nanoseconds: u64) {
    let seconds = (nanoseconds / SECOND) as i64;
    let (year, month, day) = date(seconds.div_euclid(DAY));
    push_fmt(out, format_args!("{year:04}-{month:02}-{day:02} "));
    write_clock(out, seconds.rem_euclid(DAY));
    push_fmt(out, format_args!(".{:09}", nanoseconds % SECOND));
}

/// The date so many days after the first of January 1970.
fn date(days: i64) -> (i64, i64, i64) {
    // Years begin with March here, so that the leap day is the last of its year; 400 years have 146097 days.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Utc;
    impl World for Utc {}

    fn series(of: SeriesOf, signed: bool) -> Aggregate {
        Aggregate::TSeries { interval: 100_000_000, intervals: 4, of, signed }
    }

    fn state(words: &[[i64; 3]]) -> Vec<u8> {
        words.iter().flatten().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn merged(of: SeriesOf, cpus: &[&[[i64; 3]]]) -> Vec<u8> {
        let mut total = vec![0; cpus[0].len() * 24];
        cpus.iter().for_each(|cpu| merge(of, true, &mut total, &state(cpu)));
        total
    }

    #[test]
    fn cpus_merge_within_the_latest_interval() {
        // Interval 5 on one CPU, 1 (of which 5 took the place) and 5 on others, and one that has none.
        let cpus = |values: [i64; 3]| {
            let [a, b, c] = values.map(|value| [[value, 7 + value.abs(), 5]]);
            [a, [[1000, 1, 1]], b, [[0, 0, 0]], c]
        };
        let of = |of, values| {
            let cpus = cpus(values);
            let cpus: Vec<&[[i64; 3]]> = cpus.iter().map(|cpu| &cpu[..]).collect();
            merged(of, &cpus)
        };
        assert_eq!(of(SeriesOf::Max, [-4, 3, -9]), state(&[[3, 10, 5]]));
        assert_eq!(of(SeriesOf::Min, [-4, 3, -9]), state(&[[-9, 16, 5]]));
        assert_eq!(of(SeriesOf::Last, [-4, 3, -9]), state(&[[-9, 16, 5]]));
        assert_eq!(of(SeriesOf::Sum, [-4, 3, -9]), state(&[[-10, 11, 5]]));
        assert_eq!(of(SeriesOf::Avg, [-4, 3, -9]), state(&[[-10, 37, 5]]));
    }

    #[test]
    fn points_run_from_the_first_own_to_the_latest_of_all() {
        let values = |state: &[u8], latest| -> Vec<_> {
            points(series(SeriesOf::Avg, true), state, latest, 1)
                .iter()
                .map(|point| (point.start / 100_000_000, point.value))
                .collect()
        };
        let some = |value| Some(Number::Signed(value));
        let ring = state(&[[8, 2, 8], [9, 3, 9], [0, 0, 0], [-7, 2, 7]]);
        assert_eq!(latest([&ring[..]].into_iter()), Some(9));
        assert_eq!(values(&ring, Some(9)), [(7, some(-3)), (8, some(4)), (9, some(3))]);
        assert_eq!(values(&ring, Some(11)), [(8, some(4)), (9, some(3)), (10, None), (11, None)]);
        assert_eq!(values(&ring, Some(99)), [(99, None)], "all are too long ago");
        assert_eq!(values(&ring, None), []);
        assert_eq!(values(&ring[..30], Some(9)), [(8, some(4)), (9, None)], "bytes are missing");
    }

    #[test]
    fn a_place_in_the_chart_is_exact_for_any_values() {
        let at = |smallest, largest, value| Range { smallest, largest }.place(Number::Signed(value), WIDTH);
        assert_eq!([at(0, 10, 0), at(0, 10, 5), at(0, 10, 10)], [0, 26, 52]);
        let (least, most) = (i64::MIN.into(), i64::MAX.into());
        assert_eq!([at(least, most, i64::MIN), at(least, most, 0), at(least, most, i64::MAX)], [0, 26, 52]);
        assert_eq!(Range { smallest: -1, largest: 1000 }.zero(WIDTH), None, "it would be the border");
        assert_eq!(Range { smallest: -1000, largest: 1 }.zero(WIDTH), Some(52));
    }

    #[test]
    fn one_value_has_room_on_both_sides() {
        let range = |number| {
            let range = Range::of(&[Point { start: 0, value: Some(number) }]).unwrap();
            (range.smallest, range.largest)
        };
        assert_eq!(range(Number::Signed(0)), (-1, 1));
        assert_eq!(range(Number::Unsigned(0)), (0, 1));
        assert_eq!(range(Number::Unsigned(u64::MAX)), (u64::MAX as i128 - 1, u64::MAX as i128));
    }

    #[test]
    fn times_have_the_digits_of_their_interval() {
        let chart = |step: u64| -> Vec<Option<String>> {
            let points: Vec<Point> =
                (1..3).map(|i| Point { start: 3_600_000_000_000 + i * step, value: Some(Number::Signed(1)) }).collect();
            let mut out = Vec::new();
            write_chart(&mut out, &points, &Utc);
            let text = String::from_utf8(out).unwrap();
            text.lines().skip(1).take(2).map(|line| line.split_once('|').map(|(time, _)| time.to_owned())).collect()
        };
        let lines = |heading: &str, row: &str| -> Vec<Option<String>> {
            [heading, row].map(|text| Some(text.to_owned())).to_vec()
        };
        assert_eq!(chart(7 * SECOND), lines("hh:mm:ss ", "01:00:07 "));
        assert_eq!(chart(7_000_000), lines("hh:mm:ss.ms  ", "01:00:00.007 "));
        assert_eq!(chart(7_000), lines("hh:mm:ss.μs    ", "01:00:00.000007 "));
        assert_eq!(chart(7), lines("hh:mm:ss.ns        ", "01:00:00.000000007 "));
    }

    #[test]
    fn dates_know_leap_years() {
        let text = |seconds: u64| {
            let mut out = Vec::new();
            write_date_and_time(&mut out, seconds * SECOND + 5);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(0), "1970-01-01 00:00:00.000000005");
        assert_eq!(text(951_782_400), "2000-02-29 00:00:00.000000005");
        assert_eq!(text(1_709_251_199), "2024-02-29 23:59:59.000000005");
        assert_eq!(text(4_107_542_400), "2100-03-01 00:00:00.000000005");
    }
}
