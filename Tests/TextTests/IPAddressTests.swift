import Testing
import Text

@Suite struct IPAddressTests {
    @Test(arguments: [
        ("0.0.0.0", IPAddress.SpecialRange.unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified),
        ("127.0.0.1", .loopback), ("127.255.255.254", .loopback), ("::1", .loopback),
        ("10.0.0.0", .private), ("10.255.255.255", .private), ("172.16.0.0", .private), ("172.31.255.255", .private),
        ("192.168.0.1", .private), ("fc00::1", .private), ("fdff:ffff::1", .private), ("fec0::1", .private),
        ("169.254.169.254", .linkLocal), ("fe80::1", .linkLocal), ("febf::1", .linkLocal),
        ("100.64.0.0", .sharedByCarrier), ("100.127.255.255", .sharedByCarrier),
        ("224.0.0.1", .multicast), ("239.255.255.255", .multicast), ("ff02::1", .multicast),
        ("192.0.2.1", .documentation), ("198.51.100.7", .documentation), ("203.0.113.9", .documentation),
        ("2001:db8::1", .documentation), ("3fff:fff::1", .documentation),
        ("198.18.0.1", .benchmarking), ("198.19.255.255", .benchmarking), ("2001:2::1", .benchmarking),
        ("64:ff9b::1.1.1.1", .translation), ("64:ff9b:1::1", .translation), ("2002:101:101::1", .translation),
        ("2001::1", .translation), ("192.88.99.1", .translation),
        ("192.0.0.8", .reserved), ("240.0.0.1", .reserved), ("255.255.255.255", .reserved), ("5f00::1", .reserved),
        ("100::1", .reserved), ("4000::1", .reserved), ("::7f00:1", .reserved), ("2001:1ff::1", .reserved),
    ])
    func `an address of a special range is none of the public internet`(
        text: String, range: IPAddress.SpecialRange
    ) {
        #expect(IPAddress(text)?.specialRange == range)
    }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0",
        "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1",
        "2606:4700::1111", "2003::1", "3ffe::1",
    ])
    func `addresses beside the special ranges are public`(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.specialRange == nil)
    }

    @Test(arguments: [
        ("::ffff:127.0.0.1", IPAddress.SpecialRange.loopback), ("::ffff:7f00:1", .loopback),
        ("0:0:0:0:0:ffff:10.1.2.3", .private), ("::ffff:a9fe:a9fe", .linkLocal),
    ])
    func `a mapped IPv4 address is judged as the IPv4 address`(text: String, range: IPAddress.SpecialRange) {
        #expect(IPAddress(text)?.specialRange == range)
    }

    @Test func `a mapped public IPv4 address is public`() throws {
        let address = try #require(IPAddress("::ffff:1.1.1.1"))
        #expect(address.specialRange == nil)
        #expect(address == IPAddress("1.1.1.1"))
        #expect(address.isIPv4)
        #expect(address.description == "1.1.1.1")
    }

    @Test(arguments: ["10.1.2.3", "::1", "2001:db8::a:1", "fe80::1"])
    func `an address is written as it was read`(text: String) {
        #expect(IPAddress(text)?.description == text)
    }

    @Test(arguments: [
        "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "127.0.0.1.",
        "127.0.0.01", "256.1.1.1", "1.2.3.4.5", "fe80::1%eth0", "[::1]", "", "a", "1.1.1.1\0", " 1.1.1.1", "::1::",
    ])
    func `other spellings are no addresses`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        ("0x7f.1", true), ("0x7f000001", true), ("2130706433", true), ("017700000001", true), ("0177.0.0.1", true),
        ("127.1", true), ("127.0.0.1.", true), ("1.2.3.4.5", true), ("256.1.1.1", true), ("example.0x1", true),
        ("example.0x", true), (".", true), ("example.1", true),
        ("127.0.0.1", false), ("[::1]", false), ("1.example", false), ("0x7f.example", false), ("example.org.", false),
        ("a1", false), ("example.1a", false),
    ])
    func `a host that ends in a number is an address or ambiguous`(text: String, isAmbiguous: Bool) {
        #expect(HostPort(text)?.isAmbiguousAddress == isAmbiguous)
    }

    @Test(arguments: [
        ("10.1.2.3", "10.0.0.0/8", true), ("11.1.2.3", "10.0.0.0/8", false), ("10.1.2.3", "0.0.0.0/0", true),
        ("fd00::1", "fd00::/8", true), ("fd00::1", "::/0", true), ("10.1.2.3", "10.1.2.3/33", false),
        ("fd00::1", "fd00::/129", false), ("10.1.2.3", "10.1.2.3", false), ("10.1.2.3", "10.0.0.0/-1", false),
        ("fd00::1", "10.0.0.0/8", false),
    ])
    func `a block contains the addresses with its prefix`(text: String, block: String, isWithin: Bool) {
        #expect(IPAddress(text)?.isWithin(block) == isWithin)
    }
}
