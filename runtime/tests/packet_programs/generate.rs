//! Packets of all sorts, the same each time: whole and cut short, with options, fragments, extension headers and tags, and
//! some that are made of nothing but chance.

/// Numbers that look random (xorshift64*).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end
    }

    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

/// Ports and addresses that come up again and again, so that comparisons hold now and then.
pub const PORTS: [u16; 4] = [53, 80, 443, 0xffff];
pub const HOSTS: [[u8; 4]; 4] = [[10, 0, 0, 9], [10, 1, 2, 3], [192, 168, 0, 1], [0, 0, 0, 0]];

/// A packet that begins with Ethernet.
pub fn packet(chance: &mut Chance) -> Vec<u8> {
    let mut packet = chance.bytes(12);
    for _ in 0..chance.pick(&[0, 0, 0, 0, 1, 1, 2, 3]) {
        packet.extend(chance.pick(&[[0x81, 0x00], [0x88, 0xa8]]));
        packet.extend(chance.bytes(2));
    }
    let (kind, content): ([u8; 2], Vec<u8>) = match chance.below(16) {
        0..=7 => ([0x08, 0x00], ip(chance)),
        8..=12 => ([0x86, 0xdd], ip6(chance)),
        13..=14 => ([0x08, 0x06], arp(chance)),
        _ => (chance.pick(&[[0x08, 0x00], [0x86, 0xdd], [0x88, 0xcc], [0x00, 0x26]]), chance.bytes(60)),
    };
    packet.extend(kind);
    packet.extend(content);
    if chance.one_in(4) {
        packet.truncate(chance.below(packet.len() + 1).max(14));
    }
    packet
}

fn arp(chance: &mut Chance) -> Vec<u8> {
    let mut arp = vec![0, 1, 0x08, 0x00, 6, 4, 0];
    arp.extend(chance.bytes(21));
    if chance.one_in(6) {
        arp[2 + chance.below(4)] ^= 1;
    }
    arp
}

fn ip(chance: &mut Chance) -> Vec<u8> {
    let mut ip = chance.bytes(20);
    let words = if chance.one_in(3) { chance.below(16) } else { 5 };
    ip[0] = 0x40 | words as u8;
    if chance.one_in(20) {
        ip[0] = chance.next() as u8;
    }
    let (kind, content) = transport(chance, &[6, 6, 6, 17, 17, 1, 132, 58, 47]);
    ip[9] = kind;
    match chance.below(6) {
        0 => {}
        1 => ip[6..8].copy_from_slice(&[0x20, 0]),
        _ => ip[6..8].copy_from_slice(&[0x40, 0]),
    }
    for at in [12, 16] {
        if chance.one_in(2) {
            ip[at..at + 4].copy_from_slice(&chance.pick(&HOSTS));
        }
    }
    ip.extend(chance.bytes(words.max(5) * 4 - 20));
    ip.extend(content);
    ip
}

fn ip6(chance: &mut Chance) -> Vec<u8> {
    let mut ip = chance.bytes(40);
    ip[0] = 0x60 | ip[0] & 15;
    if chance.one_in(2) {
        ip[8..12].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    }
    let extensions: Vec<u8> =
        (0..chance.pick(&[0, 0, 0, 1, 1, 2, 3, 6, 7])).map(|_| chance.pick(&[0, 43, 44, 51, 60])).collect();
    let (kind, content) = transport(chance, &[6, 6, 6, 17, 17, 58, 132, 1, 59, 50]);
    let kinds: Vec<u8> = extensions.iter().copied().chain([kind]).collect();
    ip[6] = kinds[0];
    for pair in kinds.windows(2) {
        let words = chance.pick(&[0, 0, 0, 1, 2, 31]);
        let (length, said) = match pair[0] {
            44 => (8, chance.next() as u8),
            51 => ((words + 2) * 4, words as u8),
            _ => ((words + 1) * 8, words as u8),
        };
        let mut header = chance.bytes(length.max(8));
        header[0] = pair[1];
        header[1] = said;
        if pair[0] == 44 && !chance.one_in(4) {
            header[2..4].copy_from_slice(&chance.pick(&[[0, 0], [0, 1], [0, 7]]));
        }
        ip.extend(&header[..length.max(8)]);
    }
    ip.extend(content);
    ip
}

fn transport(chance: &mut Chance, kinds: &[u8]) -> (u8, Vec<u8>) {
    let kind = chance.pick(kinds);
    let lengths: &[usize] = if chance.one_in(4) { &[4, 8, 12] } else { &[20, 40] };
    let length = chance.pick(lengths);
    let mut content = chance.bytes(length);
    if chance.one_in(2) && content.len() >= 4 {
        let [sport, dport] = [chance.pick(&PORTS), chance.pick(&PORTS)];
        content[..2].copy_from_slice(&sport.to_be_bytes());
        content[2..4].copy_from_slice(&dport.to_be_bytes());
    }
    (kind, content)
}
