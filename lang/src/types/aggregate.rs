//! What maps gather instead of plain values: kinds, parameters, and the words that their state takes.

/// What a map gathers instead of a plain value. Parameters that fix the layout belong to the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Number of calls.
    Count,
    /// Sum of the arguments.
    Sum {
        /// The argument's sign.
        signed: bool,
    },
    /// Smallest argument.
    Min {
        /// The argument's sign.
        signed: bool,
    },
    /// Largest argument.
    Max {
        /// The argument's sign.
        signed: bool,
    },
    /// Average of the arguments.
    Avg {
        /// The argument's sign.
        signed: bool,
    },
    /// Count, average and total.
    Stats {
        /// The argument's sign.
        signed: bool,
    },
    /// Histogram with power-of-two buckets, each split into `2^bits` steps.
    Hist {
        /// 0 to 5.
        bits: u8,
    },
    /// Histogram with equal steps from `min` to `max`.
    LHist {
        /// Start of the first bucket.
        min: u64,
        /// From here on all is in the last bucket.
        max: u64,
        /// Width of a bucket.
        step: u64,
    },
    /// What became of a value over time: one number for each of the latest intervals.
    TSeries {
        /// Nanoseconds of an interval.
        interval: u64,
        /// How many are kept.
        intervals: u32,
        /// What the number of an interval is.
        of: SeriesOf,
        /// The argument's sign.
        signed: bool,
    },
}

impl Aggregate {
    /// How many 64-bit words its state takes on each CPU.
    ///
    /// Count and sum take one; min and max a value and whether it is set; avg and stats a total and a count; histograms
    /// one word a bucket; a time series [`SERIES_WORDS`] an interval.
    pub fn words(self) -> u32 {
        match self {
            Self::Count | Self::Sum { .. } => 1,
            Self::Min { .. } | Self::Max { .. } | Self::Avg { .. } | Self::Stats { .. } => 2,
            Self::Hist { bits } => hist_buckets(bits),
            Self::LHist { min, max, step } => ((max - min).div_ceil(step) + 2) as u32,
            Self::TSeries { intervals, .. } => intervals * SERIES_WORDS,
        }
    }

    /// The same aggregation taking the arguments of both: signed if either is.
    pub(super) fn join(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            (Self::Sum { signed: a }, Self::Sum { signed: b }) => Self::Sum { signed: a || b },
            (Self::Min { signed: a }, Self::Min { signed: b }) => Self::Min { signed: a || b },
            (Self::Max { signed: a }, Self::Max { signed: b }) => Self::Max { signed: a || b },
            (Self::Avg { signed: a }, Self::Avg { signed: b }) => Self::Avg { signed: a || b },
            (Self::Stats { signed: a }, Self::Stats { signed: b }) => Self::Stats { signed: a || b },
            (Self::TSeries { interval, intervals, of, signed: a }, Self::TSeries { signed: b, .. })
                if other == (Self::TSeries { interval, intervals, of, signed: b }) =>
            {
                Self::TSeries { interval, intervals, of, signed: a || b }
            }
            (a, b) if a == b => a,
            _ => return None,
        })
    }

    /// Whether all its arguments were `uint64`.
    pub(super) fn is_unsigned(self) -> bool {
        match self {
            Self::Sum { signed }
            | Self::Min { signed }
            | Self::Max { signed }
            | Self::Avg { signed }
            | Self::Stats { signed } => !signed,
            Self::Count | Self::Hist { .. } | Self::LHist { .. } | Self::TSeries { .. } => false,
        }
    }

    /// The function that makes it, as users write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum { .. } => "sum",
            Self::Min { .. } => "min",
            Self::Max { .. } => "max",
            Self::Avg { .. } => "avg",
            Self::Stats { .. } => "stats",
            Self::Hist { .. } => "hist",
            Self::LHist { .. } => "lhist",
            Self::TSeries { .. } => "tseries",
        }
    }
}

/// What stands for the values of one interval of a `tseries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeriesOf {
    /// The latest.
    Last,
    /// Their average, towards zero.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// Their sum.
    Sum,
}

impl SeriesOf {
    /// All that a script can name, in the order that messages list them.
    pub const NAMED: [(&'static str, Self); 4] =
        [("avg", Self::Avg), ("max", Self::Max), ("min", Self::Min), ("sum", Self::Sum)];
}

/// Words of an interval of a `tseries`: a value (a total for `avg`), what goes with it and is 0 only where nothing has
/// been gathered (the time of the latest plus 1, how many values an average is of, else 1), and the number of the
/// interval since 1970.
pub const SERIES_WORDS: u32 = 3;

/// How many intervals one value of a kernel map has room for: it may take 32 KiB on each CPU (`PCPU_MIN_UNIT_SIZE`), of
/// which a keyless map needs one word.
pub const SERIES_PAGE: u32 = (32768 - 8) / (SERIES_WORDS * 8);

/// How many buckets a `hist` with `bits` extra bits has: one for negative values, then one per value up to
/// `2^bits - 1`, then `2^bits` for each power of two up to 2^62.
pub const fn hist_buckets(bits: u8) -> u32 {
    1 + (1 << bits) + ((63 - bits as u32) << bits)
}
