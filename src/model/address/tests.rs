//! What is refused, what is not, and in which spellings.

use super::*;

fn rules(cidrs: &[&str]) -> Rules {
    let cidrs: Vec<String> = cidrs.iter().map(|&text| text.to_owned()).collect();
    Rules::read(&cidrs, &[], true).unwrap()
}

#[track_caller]
fn refused(text: &str) -> Refused {
    check_url(text, &rules(&[])).expect_err(text)
}

#[track_caller]
fn is_called(text: &str, rules: &Rules) {
    if let Err(refused) = check_url(text, rules) {
        panic!("{text}: {refused}");
    }
}

#[test]
fn no_range_that_is_not_public_is_called() {
    let addresses = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.255",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "100.100.100.200",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::808:808]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[2001::1]",
        "[2001:0:1::1]",
        "[2001:2::1]",
        "[2001:10::1]",
        "[2001:20::1]",
        "[2001:1ff::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[2002::1]",
        "[3fff::1]",
        "[fc00::1]",
        "[fd12:3456::1]",
        "[fe80::1]",
        "[febf::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[4000::1]",
        "[1000::1]",
        "[5f00::1]",
        "[200::1]",
    ];
    for address in addresses {
        let refused = refused(&format!("https://{address}/hook"));
        assert!(refused.help.contains("allowCidrs"), "{address}: {refused:?}");
        assert!(!refused.what.contains("hook"), "{refused:?}");
    }
}

#[test]
fn what_is_next_to_a_range_is_public() {
    let addresses = [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "8.8.8.8",
        "[2001:200::1]",
        "[2001:4860:4860::8888]",
        "[2606:4700::1111]",
        "[2003::1]",
        "[3ffe::1]",
        "[2a00::1]",
    ];
    for address in addresses {
        is_called(&format!("https://{address}/"), &rules(&[]));
    }
}

#[test]
fn every_spelling_of_a_number_is_the_address_that_it_means() {
    let spellings = [
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.1",
        "127.0.1",
        "0",
        "0x0",
        "127.0.0.1.",
        "0x7f.0.0.0x1",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "\u{ff11}27.0.0.1",
        "127\u{3002}0.0.1",
        "%31%32%37.0.0.1",
        "3232235521",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
    ];
    for spelling in spellings {
        refused(&format!("https://{spelling}/"));
        assert!(check_mail_host(spelling, 25, &rules(&[])).is_err(), "{spelling}");
    }
    for bad in
        ["https://127.0.0.1.1/", "https://0x100000000/", "https://256.0.0.1/", "https://[fe80::1%25eth0]/"]
    {
        refused(bad);
    }
}

#[test]
fn this_machine_by_name_is_this_machine() {
    for name in ["localhost", "LOCALHOST", "localhost.", "x.localhost", "x.localhost."] {
        refused(&format!("https://{name}/"));
        assert!(check_mail_host(name, 25, &rules(&[])).is_err(), "{name}");
        is_called(&format!("https://{name}/"), &rules(&["127.0.0.0/8"]));
        is_called(&format!("https://{name}/"), &rules(&["::1/128"]));
    }
    is_called("https://localhost.example/", &rules(&[]));
}

#[test]
fn users_other_schemes_and_what_is_read_in_two_ways_are_refused() {
    let bad = [
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://@example.com/",
        "https://example.com@127.0.0.1/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "example.com/hook",
        "https://",
        "https:///",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nx: y",
        "https://example.com\t/",
        "",
    ];
    for text in bad {
        refused(text);
    }
    is_called("https://example.com/a@b?c=@", &rules(&[]));
}

#[test]
fn without_tls_nothing_is_called_unless_that_is_allowed() {
    let strict = Rules::default();
    assert!(check_url("http://example.com/", &strict).unwrap_err().help.contains("allowInsecure"));
    is_called("https://example.com/", &strict);
    is_called("http://example.com/", &rules(&[]));
}

#[test]
fn only_the_usual_ports_and_those_listed_are_called() {
    for port in ["", ":443", ":8443", ":8080", ":80"] {
        is_called(&format!("https://example.com{port}/"), &rules(&[]));
    }
    for port in [22, 25, 6379, 5432, 9200, 1] {
        assert!(refused(&format!("https://example.com:{port}/")).help.contains("allowPorts"));
    }
    refused("https://example.com:0/");
    let open = Rules::read(&[], &[9000], false).unwrap();
    is_called("https://example.com:9000/", &open);
    assert!(check_url("https://example.com:9001/", &open).is_err());
    for port in SMTP_PORTS {
        assert!(check_mail_host("mail.example.com", port, &Rules::default()).is_ok());
    }
    assert!(check_mail_host("mail.example.com", 443, &Rules::default()).is_err());
    assert!(Rules::read(&[], &[0], false).is_err());
    assert!(Rules::read(&[], &[65_536], false).is_err());
}

#[test]
fn exactly_the_listed_subnets_are_open() {
    let open = rules(&["10.20.0.0/16", "fd00:1::/64", "169.254.169.254/32"]);
    is_called("https://10.20.255.255/", &open);
    is_called("https://[fd00:1::5]/", &open);
    is_called("http://169.254.169.254/", &open);
    for address in
        ["10.21.0.0", "10.19.255.255", "[fd00:2::1]", "169.254.169.253", "127.0.0.1", "[::ffff:10.20.0.1]"]
    {
        assert!(check_url(&format!("https://{address}/"), &open).is_err(), "{address}");
    }
    assert!(open.admit("10.20.1.1".parse().unwrap()).is_ok());
    assert!(open.admit("8.8.8.8".parse().unwrap()).is_ok());
    assert!(open.admit("10.0.0.1".parse().unwrap()).is_err());
}

#[test]
fn a_subnet_has_one_spelling() {
    for (text, help) in [
        ("10.20.0.5/16", "10.20.0.0/16"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "list the subnets"),
        ("::/0", "list the subnets"),
        ("10.0.0.0/33", "ADDRESS"),
        ("localhost/8", "10.20.0.0/16"),
        ("", "10.20.0.0/16"),
    ] {
        let refused = subnet(text).unwrap_err();
        assert!(format!("{} {}", refused.what, refused.help).contains(help), "{text}: {refused:?}");
    }
    assert!(subnet("10.20.0.0/16").is_ok());
}

#[test]
fn a_mail_server_is_a_host_and_nothing_else() {
    for bad in [
        "",
        "mail.example.com:25",
        "user@mail.example.com",
        "a b",
        "mail.example.com/",
        "[::1",
        "::1",
        "[::1]",
    ] {
        assert!(check_mail_host(bad, 25, &Rules::default()).is_err(), "{bad}");
    }
    assert_eq!(
        check_mail_host("Mail.Example.com", 25, &Rules::default()),
        Ok(Host::Domain("mail.example.com".to_owned()))
    );
    assert!(check_mail_host("2606:4700::1111", 25, &Rules::default()).is_ok());
}
