#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// IPAddress is an IPv4 or IPv6 address. An IPv4 address that is mapped into IPv6 is that IPv4 address.
package struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// IPv4 in its mapped form, `::ffff:a.b.c.d`.
    private let bits: UInt128

    private static let mappedPrefix = UInt128(0xffff) << 32

    /// Reads four decimal numbers, or IPv6 without brackets and zone; nil for anything else, `0x7f.1` and `0177.0.0.1` included.
    package init?(_ text: some StringProtocol) {
        var short = in_addr()
        var long = in6_addr()
        guard !text.utf8.contains(0) else { return nil }
        if inet_pton(AF_INET, String(text), &short) == 1 {
            bits = Self.mappedPrefix | UInt128(UInt32(bigEndian: short.s_addr))
        } else if inet_pton(AF_INET6, String(text), &long) == 1 {
            bits = withUnsafeBytes(of: &long) { $0.reduce(0) { $0 << 8 | UInt128($1) } }
        } else {
            return nil
        }
    }

    /// Whether it is an IPv4 address.
    package var isIPv4: Bool { bits >> 32 == 0xffff }

    /// As it stands in a URL, without brackets.
    package var description: String {
        let bytes = (0..<16).map { UInt8(truncatingIfNeeded: bits >> (120 - 8 * $0)) }
        guard !isIPv4 else { return bytes.suffix(4).map(String.init).joined(separator: ".") }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = bytes.withUnsafeBytes { inet_ntop(AF_INET6, $0.baseAddress, &text, socklen_t(text.count)) }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The block that sets the address apart from the public internet; nil for a public address.
    package var specialRange: SpecialRange? {
        if let range = Self.blocks.first(where: { contains($0.block) })?.range { return range }
        // IPv6 has no public addresses elsewhere (RFC 4291, section 2.4).
        return isIPv4 || contains(Self.globalUnicast) ? nil : .reserved
    }

    /// Whether the block, such as `10.0.0.0/8`, contains the address; false for what is no block.
    package func isWithin(_ block: String) -> Bool { Block(block).map(contains) ?? false }

    private func contains(_ block: Block) -> Bool { block.contains(bits) }
}

extension IPAddress {
    /// The blocks that are no part of the public internet.
    package enum SpecialRange: String, Sendable, CaseIterable {
        case unspecified = "an unspecified address"
        case loopback = "a loopback address"
        case `private` = "a private address"
        case linkLocal = "a link-local address"
        case sharedByCarrier = "an address behind a carrier's NAT"
        case multicast = "a multicast address"
        case documentation = "an address for documentation"
        case benchmarking = "an address for benchmarks"
        case translation = "an address that is translated to IPv4"
        case reserved = "a reserved address"
    }

    /// A prefix and its length.
    private struct Block: Sendable {
        private let prefix: UInt128
        private let shift: Int

        init?(_ text: String) {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 2, let address = IPAddress(parts[0]), let length = Int(parts[1]) else { return nil }
            let width = address.isIPv4 ? 32 : 128
            guard 0...width ~= length else { return nil }
            shift = width - length
            prefix = address.bits >> shift
        }

        func contains(_ bits: UInt128) -> Bool { bits >> shift == prefix }
    }

    private static let globalUnicast = block("2000::/3")

    /// From the registries of special-purpose addresses (RFC 6890), and of multicast addresses.
    private static let blocks: [(range: SpecialRange, block: Block)] = [
        (.unspecified, ["0.0.0.0/8", "::/128"]),
        (.loopback, ["127.0.0.0/8", "::1/128"]),
        (.private, ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"]),
        (.linkLocal, ["169.254.0.0/16", "fe80::/10"]),
        (.sharedByCarrier, ["100.64.0.0/10"]),
        (.multicast, ["224.0.0.0/4", "ff00::/8"]),
        (.documentation, ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"]),
        (.benchmarking, ["198.18.0.0/15", "2001:2::/48"]),
        // NAT64, Teredo and 6to4 carry an IPv4 address, which may be a private one.
        (.translation, ["64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "192.88.99.0/24"]),
        (.reserved, ["192.0.0.0/24", "240.0.0.0/4", "2001::/23", "5f00::/16"]),
    ].flatMap { range, blocks in blocks.map { (range, block($0)) } }

    private static func block(_ text: String) -> Block {
        guard let block = Block(text) else { preconditionFailure("\(text) is no block of addresses") }
        return block
    }
}

extension HostPort {
    /// The host as an address; nil for a name.
    package var address: IPAddress? { IPAddress(host) }

    /// Whether some programs read the host as an address and others as a name: `0x7f.1`, `2130706433`, `127.0.0.1.`.
    ///
    /// A host whose last label is a number is an IPv4 address or nothing (WHATWG URL, "ends in a number").
    package var isAmbiguousAddress: Bool {
        guard address == nil else { return false }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard let last = labels.last(where: { !$0.isEmpty }) else { return true }
        let isHex = last.hasPrefix("0x") && last.dropFirst(2).allSatisfy(\.isHexDigit)
        return isHex || last.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }
}
