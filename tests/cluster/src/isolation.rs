//! Proves that no packet of the host can get into a cluster, and none of a cluster out, by looking routes up.
//!
//! Never by connecting: a cluster's addresses don't exist outside of its namespace, so a connection from the host would
//! leave by the default route, and some stranger might even answer it.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use crate::addresses::{NODES, PODS, Range, SERVICES};

/// The kernel's table of IPv4 routes, of the network namespace of whoever reads it.
const TABLE: &str = "/proc/self/net/route";

/// The host's routes, other than the default one, that lead to addresses which clusters use. A host that has such a
/// route for reasons of its own (a company's 10.0.0.0/8, say) is still isolated, but people should know.
pub fn routes_into_clusters() -> io::Result<Vec<Range>> {
    Ok(overlapping(
        &routes(&fs::read_to_string(TABLE)?),
        &[PODS, SERVICES, NODES],
    ))
}

fn overlapping(routes: &[Range], ranges: &[Range]) -> Vec<Range> {
    let specific = routes.iter().filter(|route| route.prefix > 0);
    specific
        .filter(|route| ranges.iter().any(|range| route.overlaps(*range)))
        .copied()
        .collect()
}

/// Reads the table: a heading, then `Iface Destination Gateway Flags RefCnt Use Metric Mask ...`, addresses in
/// hexadecimal in the machine's byte order.
fn routes(table: &str) -> Vec<Range> {
    let parsed = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let destination = address(fields.nth(1)?)?;
        let mask = address(fields.nth(5)?)?;
        Some(Range {
            first: destination,
            prefix: u8::try_from(mask.to_bits().leading_ones()).ok()?,
        })
    });
    parsed.collect()
}

fn address(field: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(field, 16)
        .ok()
        .map(|bits| Ipv4Addr::from(bits.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_HOST: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_default_route_is_not_a_way_into_a_cluster() {
        let routes = routes(OF_A_HOST);
        let range = |a, b, c, d, prefix| Range {
            first: Ipv4Addr::new(a, b, c, d),
            prefix,
        };
        assert_eq!(routes, [range(0, 0, 0, 0, 0), range(192, 168, 1, 0, 24)]);
        assert_eq!(overlapping(&routes, &[PODS, SERVICES, NODES]), []);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_route_to_pods_or_to_everything_around_them_is_found() {
        let leak = format!("{OF_A_HOST}cni0\t0000F40A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        assert_eq!(overlapping(&routes(&leak), &[PODS, SERVICES, NODES]), [PODS]);
        let around = format!("{OF_A_HOST}eth1\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n");
        assert_eq!(overlapping(&routes(&around), &[PODS, SERVICES, NODES]).len(), 1);
    }
}
