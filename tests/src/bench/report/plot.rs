//! The picture: millions of packets a second of each implementation, test by test, as SVG.

use std::fmt::Write;

use super::super::{
    implementation::Implementation,
    results::{Results, Test},
    statistics::mpps,
};

const BAR: f64 = 9.0;
const GAP: f64 = 14.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 70.0;
const HEIGHT: f64 = 320.0;
const BOTTOM: f64 = 120.0;

const fn colour(one: Implementation) -> &'static str {
    match one {
        Implementation::XdpForward => "#9aa5b1",
        Implementation::Kernel => "#5b8fb9",
        Implementation::Netfilter | Implementation::NetfilterPptp => "#d98e3a",
        Implementation::Tc => "#6aa56a",
        Implementation::Xdp => "#22733a",
    }
}

/// A group of bars for each test of the shortest packets.
pub fn of(results: &Results) -> String {
    let tests: Vec<Test> = results.tests().into_iter().filter(|test| test.size == 64).collect();
    let columns: Vec<Implementation> = results
        .implementations()
        .into_iter()
        .filter(|one| *one != Implementation::NetfilterPptp && !results.missing.contains_key(one))
        .collect();
    let cell = |test: Test, one: Implementation| {
        let one = if one == Implementation::Netfilter { Results::rival(test) } else { one };
        results.cells.get(&(test, one))?.spread()
    };
    let all = tests.iter().flat_map(|test| columns.iter().filter_map(|one| cell(*test, *one)));
    let top = all.map(|ns| mpps(ns.min)).fold(1.0, f64::max).ceil();
    let group = BAR * columns.len() as f64 + GAP;
    let width = (LEFT + group * tests.len() as f64 + 20.0).max(560.0);
    let y = |value: f64| TOP + HEIGHT * (1.0 - value / top);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{:.0}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">Millions of 64-byte packets a second through the gateway, one processor \
         for everything</text>\n",
        TOP + HEIGHT + BOTTOM
    );
    let mut at = LEFT;
    for &one in &columns {
        let (fill, name) = (colour(one), one.name());
        let _ = writeln!(
            svg,
            "<rect x=\"{at:.0}\" y=\"36\" width=\"11\" height=\"11\" fill=\"{fill}\"/><text x=\"{:.0}\" y=\"46\">{name}</text>",
            at + 15.0
        );
        at += 105.0;
    }
    let step = if top > 6.0 { 2.0 } else { 1.0 };
    let mut value = 0.0;
    while value <= top {
        let line = y(value);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{line:.1}\" y2=\"{line:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            width - 20.0,
            LEFT - 8.0,
            line + 4.0
        );
        value += step;
    }
    for (number, &test) in tests.iter().enumerate() {
        let start = LEFT + GAP / 2.0 + group * number as f64;
        for (place, &one) in columns.iter().enumerate() {
            let Some(ns) = cell(test, one) else { continue };
            bar(&mut svg, start + BAR * place as f64, [ns.median, ns.max, ns.min].map(|ns| y(mpps(ns))), one);
        }
        let (x, base) = (start + (group - GAP) / 2.0, TOP + HEIGHT + 12.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{base:.1}\" text-anchor=\"end\" transform=\"rotate(-60 {x:.1} {base:.1})\">{}</text>",
            test.name()
        );
    }
    svg + "</svg>\n"
}

/// A bar up to the median, with a line from the least to the most.
fn bar(svg: &mut String, x: f64, [median, least, most]: [f64; 3], one: Implementation) {
    let (fill, middle) = (colour(one), x + (BAR - 1.0) / 2.0);
    let _ = writeln!(
        svg,
        "<rect x=\"{x:.1}\" y=\"{median:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>\
         <line x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{least:.1}\" y2=\"{most:.1}\" stroke=\"#333333\"/>",
        BAR - 1.0,
        TOP + HEIGHT - median
    );
}

#[cfg(test)]
mod tests {
    use super::super::super::{frame::Traffic, results::Cell};
    use super::*;

    #[test]
    fn a_bar_for_each_cell_of_short_packets() {
        let mut results = Results::default();
        for size in [64, 1400] {
            for one in [Implementation::XdpForward, Implementation::Tc] {
                let test = Test { traffic: Traffic::Udp, size, sessions: 1, inbound: false };
                let cell = Cell { ns: vec![100.0], sent: 1, arrived: 1, ..Cell::default() };
                results.cells.insert((test, one), cell);
            }
        }
        let svg = of(&results);
        assert_eq!(svg.matches("stroke=\"#333333\"").count(), 2);
        assert!(svg.contains("udp64_f1_out") && !svg.contains("udp1400"));
        assert!(svg.ends_with("</svg>\n"));
    }
}
