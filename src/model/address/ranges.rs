//! The addresses that are not those of somebody on the public internet: the special-purpose registries of IANA, and what is
//! kept for later. What is not known is not public.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First address, length, what it is.
type Range<A> = (A, u8, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, g: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, d, 0, g, 0, 0)
}

/// The first that fits names it, so the smaller one stands before the larger one around it.
const V4: [Range<Ipv4Addr>; 21] = [
    (v4(169, 254, 169, 254), 32, "the metadata service of a cloud"),
    (v4(168, 63, 129, 16), 32, "the metadata service of a cloud"),
    (v4(100, 100, 100, 200), 32, "the metadata service of a cloud"),
    (v4(0, 0, 0, 0), 8, "this machine"),
    (v4(10, 0, 0, 0), 8, "private"),
    (v4(100, 64, 0, 0), 10, "shared by the customers of a carrier"),
    (v4(127, 0, 0, 0), 8, "this machine"),
    (v4(169, 254, 0, 0), 16, "link-local"),
    (v4(172, 16, 0, 0), 12, "private"),
    (v4(192, 0, 0, 0), 24, "kept for protocols"),
    (v4(192, 0, 2, 0), 24, "for documentation"),
    (v4(192, 31, 196, 0), 24, "kept for protocols"),
    (v4(192, 52, 193, 0), 24, "kept for protocols"),
    (v4(192, 88, 99, 0), 24, "a relay to other networks"),
    (v4(192, 168, 0, 0), 16, "private"),
    (v4(192, 175, 48, 0), 24, "kept for protocols"),
    (v4(198, 18, 0, 0), 15, "for measurements"),
    (v4(198, 51, 100, 0), 24, "for documentation"),
    (v4(203, 0, 113, 0), 24, "for documentation"),
    (v4(224, 0, 0, 0), 4, "multicast"),
    // With 255.255.255.255, the broadcast address.
    (v4(240, 0, 0, 0), 4, "reserved"),
];

const V6: [Range<Ipv6Addr>; 18] = [
    (Ipv6Addr::UNSPECIFIED, 128, "this machine"),
    (Ipv6Addr::LOCALHOST, 128, "this machine"),
    (v6(0, 0, 0, 0, 0), 96, "an IPv4 address in another form"),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, "an IPv4 address in another form"),
    (Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96, "an IPv4 address in another form"),
    (v6(0x64, 0xff9b, 0, 0, 0), 96, "an IPv4 address in another form"),
    (v6(0x64, 0xff9b, 1, 0, 0), 48, "an IPv4 address in another form"),
    (v6(0x100, 0, 0, 0, 0), 64, "for what is thrown away"),
    (v6(0x2001, 0, 0, 0, 0), 32, "a tunnel (Teredo)"),
    (v6(0x2001, 0, 0, 0, 0), 23, "kept for protocols"),
    (v6(0x2001, 0xdb8, 0, 0, 0), 32, "for documentation"),
    (v6(0x2002, 0, 0, 0, 0), 16, "a tunnel (6to4)"),
    (v6(0x2620, 0x4f, 0x8000, 0, 0), 48, "kept for protocols"),
    (v6(0x3fff, 0, 0, 0, 0), 20, "for documentation"),
    (v6(0xfc00, 0, 0, 0, 0), 7, "private"),
    (v6(0xfe80, 0, 0, 0, 0), 10, "link-local"),
    (v6(0xfec0, 0, 0, 0, 0), 10, "site-local"),
    (v6(0xff00, 0, 0, 0, 0), 8, "multicast"),
];

/// What an address is, if it is not one of the public internet.
#[must_use]
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(own) => {
            let is_in = |first: Ipv4Addr, length: u8| {
                let shift = 32 - u32::from(length);
                u32::from(own) >> shift == u32::from(first) >> shift
            };
            V4.iter().find(|(first, length, _)| is_in(*first, *length)).map(|(_, _, what)| *what)
        }
        IpAddr::V6(own) => {
            let is_in = |first: Ipv6Addr, length: u8| {
                let shift = 128 - u32::from(length);
                u128::from(own) >> shift == u128::from(first) >> shift
            };
            let named = V6.iter().find(|(first, length, _)| is_in(*first, *length)).map(|(_, _, what)| *what);
            // Everything public that was ever given out is in 2000::/3.
            named.or_else(|| (own.segments()[0] >> 13 != 1).then_some("reserved"))
        }
    }
}
