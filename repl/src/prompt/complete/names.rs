//! Many names as one text: some 70,000 functions of a kernel take two megabytes.

/// Names in order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// One after the other.
    text: Box<str>,
    /// Where each ends.
    ends: Box<[u32]>,
}

impl Names {
    /// No more bytes of names are kept: more than any list has.
    const MOST: usize = 64 << 20;

    /// Of these, in any order.
    pub fn new(mut names: Vec<&str>) -> Self {
        names.sort_unstable();
        names.dedup();
        let mut text = String::with_capacity(names.iter().map(|name| name.len()).sum::<usize>().min(Self::MOST));
        let mut ends = Vec::with_capacity(names.len());
        for name in names {
            if text.len() + name.len() > Self::MOST {
                break;
            }
            text.push_str(name);
            ends.push(text.len() as u32);
        }
        Self { text: text.into(), ends: ends.into() }
    }

    fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start as usize..self.ends[index] as usize).unwrap_or_default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Those that begin so.
    pub fn beginning<'n>(&'n self, prefix: &'n str) -> impl Iterator<Item = &'n str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle) < prefix {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        (low..self.len()).map(|index| self.get(index)).take_while(move |name| name.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_beginning() {
        let names = Names::new(vec!["b", "abc", "ab", "abd", "b", "ä", "a"]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["a", "ab", "abc", "abd", "b", "ä"]);
        assert_eq!(names.beginning("ab").collect::<Vec<_>>(), ["ab", "abc", "abd"]);
        assert_eq!(names.beginning("").count(), 6);
        assert_eq!(names.beginning("c").count(), 0);
        assert_eq!(names.beginning("ä").count(), 1);
        assert_eq!(Names::new(Vec::new()).beginning("a").count(), 0);
    }
}
