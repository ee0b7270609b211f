//! What addresses and versions look like.

use std::collections::BTreeMap;

use driftless_strategies::{Flavour, Version};

use crate::discover::address::{Entry, entries, mapped, with_port};
use crate::discover::sighting::{flavour, version};

#[test]
fn lists_are_split_by_place() {
    let client = |text: &str| Entry::Client(text.to_owned());
    //  list                              size  entries                                                 why
    let cases = [
        ("a:1,b:2", 2, vec![client("a:1"), client("b:2")], "plain"),
        ("a:1,,b:2", 3, vec![client("a:1"), Entry::Arbitrator, client("b:2")], "an arbitrator has no address"),
        ("a:1,", 2, vec![client("a:1"), Entry::Arbitrator], "an arbitrator at the end"),
        ("AUTO,a", 2, vec![Entry::Unknown, client("a:3306")], "a node that does not know itself, a missing port"),
        ("unspecified:0,b:0", 2, vec![Entry::Unknown, Entry::Unknown], "no use as an address"),
        ("[::1]:4, [fe80::2]", 2, vec![client("[::1]:4"), client("[fe80::2]:3306")], "IPv6"),
        ("", 3, vec![Entry::Unknown, Entry::Unknown, Entry::Unknown], "nothing at all is not three arbitrators"),
        ("a:1", 2, vec![client("a:1"), Entry::Unknown], "fewer than members"),
    ];
    for (list, size, wanted, why) in cases {
        assert_eq!(entries(list, size), wanted, "{why}");
    }
}

#[test]
fn ports_are_filled_in() {
    let cases = [("a", "a:3306"), ("a:1", "a:1"), ("::1", "[::1]:3306"), ("[::1]", "[::1]:3306"), ("/run/s", "/run/s")];
    for (text, wanted) in cases {
        assert_eq!(with_port(text), wanted);
    }
}

#[test]
fn addresses_are_mapped_whole_or_by_host() {
    let map =
        [("10.0.0.1:3306", "a.example:1"), ("10.0.0.2", "b.example"), ("10.0.0.3", "c.example:3"), ("10.0.0.4:1", "d")];
    let map: BTreeMap<_, _> = map.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    let cases = [
        ("10.0.0.1:3306", "a.example:1", "whole"),
        ("10.0.0.1:3307", "10.0.0.1:3307", "another port"),
        ("10.0.0.2:3308", "b.example:3308", "by host, the port stays"),
        ("10.0.0.3:3308", "c.example:3", "by host to a whole address"),
        ("10.0.0.4:1", "d:3306", "whole to a bare host"),
        ("10.0.0.9:1", "10.0.0.9:1", "not in the map"),
    ];
    for (from, wanted, why) in cases {
        assert_eq!(mapped(from, &map), wanted, "{why}");
    }
}

#[test]
fn servers_say_what_they_are() {
    //  @@version                        @@version_comment              family             version
    let cases = [
        ("10.11.19-MariaDB-0+deb12u1-log", "Debian 12", Flavour::MariaDb, (10, 11, 19)),
        ("11.4.5-2", "MariaDB Enterprise Server", Flavour::MariaDb, (11, 4, 5)),
        ("8.0.36-28.1", "Percona XtraDB Cluster (GPL)", Flavour::MySql, (8, 0, 36)),
        ("9.7.4", "MySQL Community Server - GPL", Flavour::MySql, (9, 7, 4)),
        ("5.7.44-log", "", Flavour::MySql, (5, 7, 44)),
    ];
    for (text, comment, family, (major, minor, patch)) in cases {
        assert_eq!((flavour(text, comment), version(text)), (family, Version::new(major, minor, patch)), "{text}");
    }
}
