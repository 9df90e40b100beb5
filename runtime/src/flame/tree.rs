//! Stacks folded into a tree: what begins with the same frames stands on them once.

use hashbrown::HashMap;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A part of a key that is no stack, or a map's name.
    Key,
    /// A function of a process.
    User,
    /// One that the compiler has put into another.
    Inlined,
    /// A function of the kernel.
    Kernel,
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frame {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

impl Frame {
    /// A frame.
    pub fn new(kind: Kind, name: String) -> Self {
        Self { name, kind }
    }
}

/// A frame with what stands on it.
#[derive(Debug, Default)]
pub struct Node {
    /// All that was measured in it and above it.
    pub total: u64,
    /// What stands on it, in no order.
    children: HashMap<Frame, u32>,
}

/// All frames.
#[derive(Debug)]
pub struct Tree {
    /// The first is the ground that all stacks stand on.
    nodes: Vec<Node>,
}

impl Default for Tree {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

/// The ground.
pub const GROUND: u32 = 0;

impl Tree {
    /// Adds a stack, its outermost frame first.
    pub fn add(&mut self, frames: &[Frame], amount: u64) {
        let mut at = GROUND;
        self.grow(at, amount);
        for frame in frames {
            let next = self.nodes.len() as u32;
            let children = &mut self.nodes[at as usize].children;
            at = match children.get(frame) {
                Some(known) => *known,
                None => {
                    children.insert(frame.clone(), next);
                    self.nodes.push(Node::default());
                    next
                }
            };
            self.grow(at, amount);
        }
    }

    fn grow(&mut self, node: u32, amount: u64) {
        let total = &mut self.nodes[node as usize].total;
        *total = total.saturating_add(amount);
    }

    /// All that was measured in a frame and above it.
    pub fn total(&self, node: u32) -> u64 {
        self.nodes[node as usize].total
    }

    /// What stands on a frame, by name.
    pub fn children(&self, node: u32) -> Vec<(&Frame, u32)> {
        let mut children: Vec<(&Frame, u32)> =
            self.nodes[node as usize].children.iter().map(|(frame, node)| (frame, *node)).collect();
        children.sort_unstable();
        children
    }

    /// One line a stack: its frames with semicolons between, and how much was measured at its end.
    #[cfg(test)]
    pub fn folded(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut open = vec![(GROUND, String::new())];
        while let Some((node, path)) = open.pop() {
            let children = self.children(node);
            let above: u64 = children.iter().map(|(_, child)| self.total(*child)).sum();
            if self.total(node) > above {
                lines.push(format!("{path} {}", self.total(node) - above));
            }
            for (frame, child) in children.into_iter().rev() {
                let path = if path.is_empty() { frame.name.clone() } else { format!("{path};{}", frame.name) };
                open.push((child, path));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_is_merged() {
        let frames = |names: &[&str]| -> Vec<Frame> {
            names.iter().map(|name| Frame::new(Kind::User, (*name).into())).collect()
        };
        let mut tree = Tree::default();
        tree.add(&frames(&["main", "a"]), 2);
        tree.add(&frames(&["main", "b"]), 3);
        tree.add(&frames(&["main"]), u64::MAX);
        tree.add(&[], 1);
        assert_eq!(tree.total(GROUND), u64::MAX);
        assert_eq!(tree.children(GROUND).len(), 1);
        let main = tree.children(GROUND)[0].1;
        let children: Vec<(&str, u64)> =
            tree.children(main).into_iter().map(|(frame, node)| (frame.name.as_str(), tree.total(node))).collect();
        assert_eq!(children, [("a", 2), ("b", 3)]);
    }
}
