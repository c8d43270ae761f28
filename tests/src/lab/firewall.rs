//! nftables rulesets for the lab's gateway.

/// What a careful owner of a gateway writes: established traffic passes, invalid traffic does not, new connections
/// start on the LAN only, and TCP 8080 from LAN to WAN is forbidden.
pub const STATEFUL: &str = r#"
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop
        iifname { "br0", "lan0", "lan1" } oifname { "wan0", "ppp0" } tcp dport 8080 drop
        iifname { "br0", "lan0", "lan1" } oifname { "wan0", "ppp0" } accept
    }
}
"#;

/// The kernel's own masquerade: what single clients are compared with.
pub const MASQUERADE: &str = r#"
table ip nat {
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname "wan0" masquerade
    }
}
"#;

/// A forward chain that lets nothing through: a fault for `passthrough check` to find.
pub const FORWARD_DROP: &str = r#"
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
    }
}
"#;
