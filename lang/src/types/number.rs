//! Integers: their widths and signs, and what holds the numbers of two of them.

/// An integer type.
///
/// A number of the script that is not negative suits signed and unsigned types alike: `@n = 1` leaves `@n` free to
/// become `uint64` or `int16`. While types are inferred it is unsigned with one bit less than its type has; a
/// [settled](Type::settled) type has none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntType {
    /// 8, 16, 32 or 64; one less for what only numbers of the script have been assigned to.
    pub bits: u8,
    /// Two's complement rather than unsigned.
    pub signed: bool,
}

impl IntType {
    /// Whether `value`, read as a number of this type's sign, fits.
    pub fn holds(self, value: i128) -> bool {
        let (low, high) = match self.signed {
            true => (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1),
            false => (0, (1i128 << self.bits) - 1),
        };
        (low..=high).contains(&value)
    }

    /// The smallest signed type that holds `value`, or `uint64` beyond; see above for what is not negative.
    pub fn smallest(value: i128) -> Self {
        let (candidates, signed) = match value {
            0.. => ([7, 15, 31, 63], false),
            _ => ([8, 16, 32, 64], true),
        };
        candidates
            .map(|bits| Self { bits, signed })
            .into_iter()
            .find(|ty| ty.holds(value))
            .unwrap_or(Self { bits: 64, signed })
    }

    /// A type that holds the values of both: the wider one, signed if either is.
    pub fn join(self, other: Self) -> Self {
        // An unsigned value needs one bit more in a signed type.
        let in_signed = |ty: Self| if ty.signed { ty.bits } else { (ty.bits + 1).next_power_of_two().min(64) };
        match self.signed == other.signed {
            true => Self { bits: self.bits.max(other.bits), signed: self.signed },
            false => Self { bits: in_signed(self).max(in_signed(other)), signed: true },
        }
    }

    /// In 64 bits, with the same freedom of sign.
    pub fn widest(self) -> Self {
        Self { bits: if self.suits_both_signs() { 63 } else { 64 }, signed: self.signed }
    }

    /// Has held nothing but numbers of the script that are not negative.
    pub fn suits_both_signs(self) -> bool {
        self.bits % 2 == 1
    }

    /// The type that values have when nothing more is learnt.
    pub(super) fn settled(self) -> Self {
        match self.suits_both_signs() {
            true => Self { bits: self.bits + 1, signed: true },
            false => self,
        }
    }
}
