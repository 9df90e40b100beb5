//! The picture: one SVG file with everything in it. Without a script it is a plain drawing; where a viewer runs scripts,
//! a click on a frame makes it as wide as the picture, and the search marks frames whose names match.

use super::tree::{GROUND, Kind, Tree};
use std::fmt::Write;

const WIDTH: f64 = 1200.0;
/// Beside the frames.
const MARGIN: f64 = 10.0;
/// Of a frame.
const HEIGHT: u32 = 17;
/// Above the frames: the title; below: what the pointer is on.
const HEAD: u32 = 44;
const FOOT: u32 = 34;
/// A letter's width, of a font whose letters are all alike.
const LETTER: f64 = 7.25;
/// Frames that are narrower are left out.
const LEAST: f64 = 0.2;

/// A frame that is to be drawn.
struct Drawn<'t> {
    name: &'t str,
    /// None of what all stands on.
    kind: Option<Kind>,
    /// How much it is.
    label: String,
    depth: u32,
    /// Where it begins and ends: parts of the whole.
    span: (f64, f64),
}

/// Draws trees side by side.
pub fn draw(trees: &[(String, Tree)]) -> String {
    let drawn = places(trees);
    let deepest = drawn.iter().map(|drawn| drawn.depth).max().unwrap_or(0);
    let height = HEAD + (deepest + 1) * HEIGHT + FOOT;
    let names: Vec<&str> = trees.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = String::new();
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to memory does not fail.
        let _ = out.write_fmt(text);
    };
    put(format_args!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" \
         width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fbfaf7\"/>\n\
         <text class=\"title\" x=\"50%\" y=\"26\">{}</text>\n\
         <text id=\"reset\" x=\"{MARGIN}\" y=\"26\">Reset zoom</text>\n\
         <text id=\"search\" x=\"{}\" y=\"26\">Search</text>\n\
         <text id=\"details\" x=\"{MARGIN}\" y=\"{}\"> </text>\n\
         <text id=\"matched\" x=\"{}\" y=\"{}\"> </text>\n<g id=\"frames\">\n",
        escaped(&format!("Flame graph of {}", names.join(", "))),
        WIDTH - MARGIN,
        height - 12,
        WIDTH - MARGIN,
        height - 12,
    ));
    for Drawn { name, kind, label, depth, span } in &drawn {
        let (from, to) = (MARGIN + span.0 * (WIDTH - 2.0 * MARGIN), MARGIN + span.1 * (WIDTH - 2.0 * MARGIN));
        let y = height - FOOT - (depth + 1) * HEIGHT;
        let inlined = if *kind == Some(Kind::Inlined) { " (inlined)" } else { "" };
        put(format_args!(
            "<g data-x=\"{:.7}\" data-w=\"{:.7}\"><title>{}{inlined}: {label}</title>\
             <rect x=\"{from:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"{}\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text></g>\n",
            span.0,
            span.1 - span.0,
            escaped(name),
            to - from,
            HEIGHT - 1,
            color(name, *kind),
            from + 3.0,
            y + 12,
            escaped(&fitted(name, to - from)),
        ));
    }
    put(format_args!("</g>\n<script type=\"text/ecmascript\"><![CDATA[{SCRIPT}]]></script>\n</svg>\n"));
    out
}

/// Where the frames go, those below before those that stand on them.
fn places(trees: &[(String, Tree)]) -> Vec<Drawn<'_>> {
    let mut places = Vec::new();
    match trees {
        [(_, tree)] => place(tree, "all", None, 0, (0.0, 1.0), &mut places),
        trees => {
            // Numbers of different kinds are not added up: each tree gets the same room.
            let label = format!("{} maps", trees.len());
            places.push(Drawn { name: "all", kind: None, label, depth: 0, span: (0.0, 1.0) });
            let share = 1.0 / trees.len() as f64;
            for (index, (name, tree)) in trees.iter().enumerate() {
                let from = index as f64 * share;
                place(tree, name, Some(Kind::Key), 1, (from, from + share), &mut places);
            }
        }
    }
    places
}

/// Places the frames of a tree within a span.
fn place<'t>(
    tree: &'t Tree,
    name: &'t str,
    kind: Option<Kind>,
    depth: u32,
    span: (f64, f64),
    places: &mut Vec<Drawn<'t>>,
) {
    let whole = tree.total(GROUND);
    let label = |total: u64| {
        let percent = if whole == 0 { 0.0 } else { total as f64 * 100.0 / whole as f64 };
        format!("{total}, {percent:.2}%")
    };
    places.push(Drawn { name, kind, label: label(whole), depth, span });
    let mut open = vec![(GROUND, depth, span.0)];
    while let Some((node, depth, start)) = open.pop() {
        let mut from = start;
        for (frame, child) in tree.children(node) {
            let total = tree.total(child);
            let to = from + total as f64 / whole as f64 * (span.1 - span.0);
            if (to - from) * WIDTH >= LEAST {
                let span = (from, to.min(span.1));
                places.push(Drawn {
                    name: &frame.name,
                    kind: Some(frame.kind),
                    label: label(total),
                    depth: depth + 1,
                    span,
                });
                open.push((child, depth + 1, from));
            }
            from = to;
        }
    }
}

/// As much of a name as there is room for.
fn fitted(name: &str, width: f64) -> String {
    let room = ((width - 6.0) / LETTER) as usize;
    match name.chars().count() {
        _ if room < 3 => String::new(),
        letters if letters <= room => name.to_owned(),
        _ => name.chars().take(room - 2).chain("..".chars()).collect(),
    }
}

/// A color by what the frame is, and of its own by its name: the same in every picture.
fn color(name: &str, kind: Option<Kind>) -> String {
    let Some(kind) = kind else { return rgb(40, 10, 82) };
    // FNV-1a
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let (hue, light) = (hash % 24, 64 + hash / 24 % 10);
    match kind {
        Kind::Key => rgb(150 + hue, 25, light + 8),
        Kind::User => rgb(22 + hue, 85, light),
        Kind::Inlined => rgb(46 + hue / 2, 70, light + 8),
        Kind::Kernel => rgb(205 + hue, 60, light + 4),
    }
}

/// A color by hue, saturation and lightness, spelt in the way that all viewers know.
fn rgb(hue: u32, saturation: u32, light: u32) -> String {
    let (hue, saturation, light) = (f64::from(hue), f64::from(saturation) / 100.0, f64::from(light) / 100.0);
    let part = |shift: f64| {
        let at = (shift + hue / 30.0) % 12.0;
        let part = light - saturation * light.min(1.0 - light) * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        (part * 255.0).round() as u8
    };
    format!("#{:02x}{:02x}{:02x}", part(0.0), part(8.0), part(4.0))
}

/// A text as XML has it. What XML cannot have at all becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

const STYLE: &str = "text{font:12px monospace;fill:#222}\
    .title{font-size:16px;text-anchor:middle}\
    #search,#matched{text-anchor:end}\
    #search,#reset{cursor:pointer;opacity:.6}#reset{display:none}\
    #frames g{cursor:pointer}#frames text{pointer-events:none}\
    #frames g:hover rect{stroke:#222;stroke-width:1}\
    #frames .match rect{fill:#c026d3}#frames .below rect{opacity:.55}";

/// Places are parts of the whole, so zooming is laying all frames out once more.
const SCRIPT: &str = r#"
'use strict';
(function () {
  var width = 1180, margin = 10, letter = 7.25, last = '';
  var byId = function (id) { return document.getElementById(id); };
  var frames = Array.prototype.map.call(document.querySelectorAll('#frames > g'), function (g) {
    var title = g.querySelector('title').textContent;
    return { g: g, rect: g.querySelector('rect'), text: g.querySelector('text'), title: title,
      name: title.replace(/( \(inlined\))?: (\d+, [\d.]+%|\d+ maps)$/, ''),
      x: +g.getAttribute('data-x'), w: +g.getAttribute('data-w'), y: +g.querySelector('rect').getAttribute('y') };
  });
  function zoom(to) {
    frames.forEach(function (f) {
      var below = f.x <= to.x + 1e-7 && f.x + f.w >= to.x + to.w - 1e-7 && f.y > to.y;
      var inside = f.x >= to.x - 1e-7 && f.x + f.w <= to.x + to.w + 1e-7 && f.y <= to.y;
      f.g.style.display = below || inside ? '' : 'none';
      f.g.classList.toggle('below', below);
      if (!below && !inside) return;
      var x = below ? 0 : (f.x - to.x) / to.w, w = below ? 1 : f.w / to.w, pixels = w * width;
      var room = Math.floor((pixels - 6) / letter);
      f.rect.setAttribute('x', margin + x * width);
      f.rect.setAttribute('width', pixels);
      f.text.setAttribute('x', margin + x * width + 3);
      f.text.textContent = room < 3 ? '' : f.name.length <= room ? f.name : f.name.slice(0, room - 2) + '..';
    });
    byId('reset').style.display = to.w < 1 ? 'inline' : 'none';
  }
  function search() {
    var text = prompt('Mark frames whose name matches this regular expression:', last), test;
    if (text === null) return;
    last = text;
    try { test = new RegExp(text); } catch (error) { alert(error.message); return; }
    var found = frames.filter(function (f) {
      var is = text !== '' && test.test(f.name);
      f.g.classList.toggle('match', is);
      return is;
    });
    // What stands on a frame that matches is part of it.
    var end = 0, share = 0;
    found.sort(function (a, b) { return a.x - b.x || b.w - a.w; }).forEach(function (f) {
      var from = Math.max(f.x, end);
      if (f.x + f.w > from) { share += f.x + f.w - from; end = f.x + f.w; }
    });
    byId('matched').textContent = text === '' ? ' ' : 'Matched: ' + (share * 100).toFixed(1) + '%';
  }
  frames.forEach(function (f) {
    f.g.addEventListener('click', function () { zoom(f); });
    f.g.addEventListener('mouseover', function () { byId('details').textContent = f.title; });
    f.g.addEventListener('mouseout', function () { byId('details').textContent = ' '; });
  });
  byId('reset').addEventListener('click', function () { zoom(frames[0]); });
  byId('search').addEventListener('click', search);
  window.addEventListener('keydown', function (event) {
    if (event.key === 'F3' || (event.ctrlKey && event.key === 'f')) { event.preventDefault(); search(); }
    if (event.key === 'Escape') zoom(frames[0]);
  });
})();
"#;

#[cfg(test)]
mod tests {
    use super::super::tree::Frame;
    use super::*;

    fn frames(names: &[&str]) -> Vec<Frame> {
        names.iter().map(|name| Frame::new(Kind::User, (*name).into())).collect()
    }

    fn shown(trees: &[(String, Tree)]) -> Vec<(&str, u32, (f64, f64))> {
        places(trees).iter().map(|place| (place.name, place.depth, place.span)).collect()
    }

    #[test]
    fn frames_stand_on_each_other() {
        let mut tree = Tree::default();
        tree.add(&frames(&["main", "a<int>"]), 3);
        tree.add(&frames(&["main", "b"]), 1);
        let trees = [("@".to_owned(), tree)];
        let expected =
            [("all", 0, (0.0, 1.0)), ("main", 1, (0.0, 1.0)), ("a<int>", 2, (0.0, 0.75)), ("b", 2, (0.75, 1.0))];
        assert_eq!(shown(&trees), expected);
        let svg = draw(&trees);
        assert!(svg.contains("<title>a&lt;int&gt;: 3, 75.00%</title>"), "{svg}");
        assert!(svg.contains("Flame graph of @<") && svg.ends_with("</svg>\n"));
        assert_eq!(svg, draw(&trees));
    }

    #[test]
    fn trees_stand_side_by_side() {
        let (mut few, mut many) = (Tree::default(), Tree::default());
        few.add(&frames(&["main"]), 1);
        many.add(&frames(&["main"]), 3_000_000);
        many.add(&[], 1_000_000);
        let trees = [("@few".to_owned(), few), ("@many".to_owned(), many)];
        let expected = [
            ("all", 0, (0.0, 1.0)),
            ("@few", 1, (0.0, 0.5)),
            ("main", 2, (0.0, 0.5)),
            ("@many", 1, (0.5, 1.0)),
            ("main", 2, (0.5, 0.875)),
        ];
        assert_eq!(shown(&trees), expected);
        let svg = draw(&trees);
        for part in ["Flame graph of @few, @many<", ">all: 2 maps<", ">@few: 1, 100.00%<", ">main: 3000000, 75.00%<"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
    }

    #[test]
    fn nothing_is_a_picture_too() {
        let svg = draw(&[("@".to_owned(), Tree::default())]);
        assert!(svg.contains("all: 0, 0.00%") && !svg.contains("NaN"), "{svg}");
        let two = [("@a".to_owned(), Tree::default()), ("@b".to_owned(), Tree::default())];
        assert!(!draw(&two).contains("NaN"));
    }

    #[test]
    fn texts_are_escaped_and_fit() {
        assert_eq!(escaped("a<b>&\"\u{1}\n"), "a&lt;b&gt;&amp;&quot;? ");
        assert_eq!(fitted("main", 100.0), "main");
        assert_eq!(fitted("a_long_name", 50.0), "a_lo..");
        assert_eq!((fitted("main", 10.0), fitted("main", -1.0)), (String::new(), String::new()));
    }

    #[test]
    fn colors() {
        assert_eq!(rgb(0, 100, 50), "#ff0000");
        assert_eq!(rgb(120, 100, 25), "#008000");
        assert_eq!(rgb(240, 0, 100), "#ffffff");
    }

    #[test]
    fn many_narrow_frames_are_left_out() {
        let mut tree = Tree::default();
        for number in 0..100_000 {
            tree.add(&frames(&[&format!("f{number}")]), 1);
        }
        assert_eq!(places(&[("@".to_owned(), tree)]).len(), 1);
    }
}
