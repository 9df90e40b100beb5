//! Packets of all the kinds that filters ask for, whole and cut off, right and wrong.

use super::Random;

const ADDRESSES: [[u8; 4]; 6] =
    [[10, 0, 0, 1], [10, 0, 0, 2], [10, 1, 2, 3], [192, 168, 1, 1], [224, 0, 0, 251], [127, 0, 0, 1]];
const PORTS: [u16; 10] = [80, 443, 53, 22, 8080, 1234, 6081, 5000, 0, 65535];
const HARDWARE: [[u8; 6]; 4] =
    [[0, 0x11, 0x22, 0x33, 0x44, 0x55], [0xff; 6], [1, 0, 0x5e, 0, 0, 0xfb], [2, 0, 0, 0, 0, 1]];

fn address6(random: &mut Random) -> [u8; 16] {
    let mut address = [0; 16];
    let start: &[u8] = random.pick(&[&[0x20, 0x01, 0x0d, 0xb8][..], &[0xfe, 0x80], &[0xff, 0x02], &[]]);
    address[..start.len()].copy_from_slice(start);
    address[15] = random.pick(&[1, 2, 0xfb]);
    address
}

/// Bytes that mean nothing.
fn noise(random: &mut Random, most: usize) -> Vec<u8> {
    let length = random.below(most + 1);
    (0..length).map(|_| random.number() as u8).collect()
}

/// A packet with Ethernet's header.
pub fn ethernet(random: &mut Random) -> Vec<u8> {
    if random.once_in(40) {
        return noise(random, 100);
    }
    let mut packet = Vec::new();
    packet.extend(random.pick(&HARDWARE));
    packet.extend(random.pick(&HARDWARE));
    for _ in 0..random.pick(&[0, 0, 0, 1, 1, 2]) {
        packet.extend(random.pick(&[0x8100u16, 0x8100, 0x88a8, 0x9100]).to_be_bytes());
        packet.extend((random.pick(&[5u16, 7, 100, 0]) | (random.number() as u16 & 0xf000)).to_be_bytes());
    }
    carried(random, &mut packet);
    cut(random, packet)
}

/// A packet that begins with IP's header.
pub fn raw(random: &mut Random) -> Vec<u8> {
    let mut packet = Vec::new();
    match random.below(20) {
        0 => packet = noise(random, 80),
        1..10 => ip6(random, &mut packet),
        _ => ip(random, &mut packet),
    }
    cut(random, packet)
}

/// Perhaps without its end.
fn cut(random: &mut Random, mut packet: Vec<u8>) -> Vec<u8> {
    if random.once_in(5) {
        packet.truncate(random.below(packet.len() + 1));
    }
    packet
}

/// A type of Ethernet and what follows it.
fn carried(random: &mut Random, packet: &mut Vec<u8>) {
    let kind = |packet: &mut Vec<u8>, kind: u16| packet.extend(kind.to_be_bytes());
    match random.below(24) {
        0..9 => {
            kind(packet, 0x0800);
            ip(random, packet);
        }
        9..15 => {
            kind(packet, 0x86dd);
            ip6(random, packet);
        }
        15..17 => {
            let what = random.pick(&[0x0806, 0x8035]);
            kind(packet, what);
            packet.extend([0, 1, 8, 0, 6, 4, 0, random.pick(&[1, 2])]);
            for _ in 0..2 {
                packet.extend(random.pick(&HARDWARE));
                packet.extend(random.pick(&ADDRESSES));
            }
        }
        17..19 => {
            kind(packet, 0x8847);
            for last in [0, 1].into_iter().skip(random.below(2)) {
                let label = random.pick(&[16u32, 100, 1000]) << 12 | last << 8 | 64;
                packet.extend(label.to_be_bytes());
            }
            network(random, packet);
        }
        19..21 => {
            let what = random.pick(&[0x8864, 0x8864, 0x8863]);
            kind(packet, what);
            packet.extend([0x11, 0, 0, random.pick(&[1, 2]), 0, 40]);
            match random.below(4) {
                0 => {
                    kind(packet, 0x0281);
                    packet.extend((16u32 << 12 | 1 << 8 | 64).to_be_bytes());
                    network(random, packet);
                }
                1 => {
                    kind(packet, 0x0057);
                    ip6(random, packet);
                }
                _ => {
                    kind(packet, 0x0021);
                    ip(random, packet);
                }
            }
        }
        21..23 => {
            kind(packet, 60);
            let point = random.pick(&[0xfe, 0xaa, 0x42, 0xe0, 0xf0, 0xff, 0x06]);
            packet.extend([point, point, random.pick(&[3, 0, 1, 0x63, 0x6f, 5])]);
            match point {
                0xfe => {
                    packet.extend([
                        random.pick(&[0x81, 0x82, 0x83]),
                        0,
                        0,
                        0,
                        random.pick(&[15, 16, 17, 18, 20, 24, 25, 26, 27]),
                    ]);
                }
                0xaa => {
                    packet.extend(random.pick(&[[8, 0, 7, 0x80, 0x9b], [0, 0, 0, 0x80, 0xf3], [0, 0, 0, 0x81, 0x37]]))
                }
                _ => {}
            }
            packet.extend(noise(random, 40));
        }
        _ => {
            let what = random
                .pick(&[0x809b, 0x80f3, 0x6003, 0x6004, 0x6007, 0x6001, 0x6002, 0x8137, 0x9000, 0x1234, 1500, 1501]);
            kind(packet, what);
            packet.extend(noise(random, 60));
        }
    }
}

fn network(random: &mut Random, packet: &mut Vec<u8>) {
    if random.once_in(3) { ip6(random, packet) } else { ip(random, packet) }
}

fn ip(random: &mut Random, packet: &mut Vec<u8>) {
    let words = random.pick(&[5u8, 5, 5, 6, 15, 0, 4]);
    let protocol = random.pick(&[6u8, 6, 6, 17, 17, 132, 1, 2, 103, 112, 9, 50, 51, 47]);
    packet.extend([0x40 | words, random.number() as u8, 0, 60, random.number() as u8, random.number() as u8]);
    packet.extend(random.pick(&[0u16, 0, 0, 0x4000, 0x2000, 0x2010, 0x0010, 0x1fff]).to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(random.pick(&ADDRESSES));
    packet.extend(random.pick(&ADDRESSES));
    for _ in 5..words {
        packet.extend((random.number() as u32).to_be_bytes());
    }
    transport(random, packet, protocol);
}

fn ip6(random: &mut Random, packet: &mut Vec<u8>) {
    let protocol = random.pick(&[6u8, 6, 17, 132, 58, 58, 103, 50, 51]);
    let extension = random.pick(&[None, None, None, Some(44u8), Some(0), Some(60)]);
    packet.extend([0x60, 0, 0, 0, 0, 40, extension.unwrap_or(protocol), 64]);
    packet.extend(address6(random));
    packet.extend(address6(random));
    if extension.is_some() {
        packet.extend([protocol, 0, 0, random.pick(&[0, 1, 8]), 0, 0, 0, 0]);
    }
    transport(random, packet, protocol);
}

fn transport(random: &mut Random, packet: &mut Vec<u8>, protocol: u8) {
    match protocol {
        6 => {
            packet.extend(random.pick(&PORTS).to_be_bytes());
            packet.extend(random.pick(&PORTS).to_be_bytes());
            packet.extend((random.number() as u32).to_be_bytes());
            packet.extend((random.number() as u32).to_be_bytes());
            let flags = random.pick(&[2, 0x12, 0x10, 0x18, 1, 4, 0x11, 0xff]);
            packet.extend([random.pick(&[0x50, 0x60, 0xf0]), flags, 0, 0, 0, 0, 0, 0]);
        }
        17 | 132 => {
            packet.extend(random.pick(&PORTS).to_be_bytes());
            packet.extend(random.pick(&PORTS).to_be_bytes());
            packet.extend([0, 20, 0, 0]);
        }
        1 => packet.extend([random.pick(&[0, 3, 5, 8, 11]), random.pick(&[0, 1, 4]), 0, 0, 0, 0, 0, 0]),
        58 => packet.extend([random.pick(&[1, 128, 129, 133, 135, 136]), random.pick(&[0, 1]), 0, 0, 0, 0, 0, 0]),
        _ => {}
    }
    packet.extend(noise(random, 60));
}
