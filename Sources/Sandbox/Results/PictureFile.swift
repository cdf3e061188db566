/// A picture of 64 by 64 points: a gradient between two colours.
struct PictureFile {
    static let side = 64

    private let corners: [[Int]]

    /// Bytes that a viewer ignores.
    private let padding: [UInt8]

    init(padding count: Int = 0, using random: inout SeededRandom) {
        corners = (0..<2).map { _ in (0..<3).map { _ in Int(random.next() % 256) } }
        padding = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
    }

    /// The picture as PNG (RFC 2083), in a deflate stream without compression.
    var png: [UInt8] {
        var rows: [UInt8] = []
        for row in 0..<Self.side {
            // Each row begins with its filter: none.
            rows.append(0)
            for column in 0..<Self.side { rows += colour(row + column) }
        }
        let header = [UInt8].big(UInt32(Self.side)) + .big(UInt32(Self.side)) + [8, 2, 0, 0, 0]
        let stream: [UInt8] = [0x78, 0x01] + Checksum.stored(rows) + [UInt8].big(Checksum.adler32(rows))
        let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        let unused = padding.isEmpty ? [] : Self.chunk("paDd", padding)
        return signature + Self.chunk("IHDR", header) + Self.chunk("IDAT", stream) + unused + Self.chunk("IEND", [])
    }

    /// The colour at that distance from the corner.
    private func colour(_ distance: Int) -> [UInt8] {
        let last = 2 * (Self.side - 1)
        return (0..<3).map { UInt8((corners[0][$0] * (last - distance) + corners[1][$0] * distance) / last) }
    }

    private static func chunk(_ name: String, _ contents: [UInt8]) -> [UInt8] {
        let checked = Array(name.utf8) + contents
        return .big(UInt32(contents.count)) + checked + .big(Checksum.crc32(checked))
    }
}

/// The checksums of PNG and gzip, and the deflate blocks that both contain.
enum Checksum {
    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(UInt32.max) { sum, byte in
            (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
    }

    static func adler32(_ bytes: [UInt8]) -> UInt32 {
        let (low, high) = bytes.reduce((UInt32(1), UInt32(0))) { sums, byte in
            let low = (sums.0 + UInt32(byte)) % 65_521
            return (low, (sums.1 + low) % 65_521)
        }
        return high << 16 | low
    }

    /// One block without compression (RFC 1951, section 3.2.4): at most 65,535 bytes.
    static func stored(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt16(bytes.count)
        return [1] + .little(count) + .little(~count) + bytes
    }
}

/// A tar archive with one file, in gzip.
enum ArchiveFile {
    static func archive(name: String, text: String) -> [UInt8] {
        func padded(_ text: String, to count: Int) -> [UInt8] {
            Array((Array(text.utf8) + [UInt8](repeating: 0, count: count)).prefix(count))
        }
        let size = String(text.utf8.count, radix: 8)
        func header(checksum: String) -> [UInt8] {
            padded(name, to: 100) + padded("0000644", to: 8) + padded("0000000", to: 8) + padded("0000000", to: 8)
                + padded(String(repeating: "0", count: 11 - size.count) + size, to: 12)
                + padded("00000000000", to: 12) + Array(checksum.utf8) + padded("0", to: 1) + padded("", to: 100)
                + padded("ustar\u{0}00", to: 8) + padded("", to: 247)
        }
        let sum = String(header(checksum: "        ").reduce(0) { $0 + Int($1) }, radix: 8)
        let checksum = String(repeating: "0", count: 6 - sum.count) + sum + "\u{0} "
        let blocks = (text.utf8.count + 511) / 512
        let tar = header(checksum: checksum) + padded(text, to: blocks * 512) + [UInt8](repeating: 0, count: 1024)
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255] + Checksum.stored(tar) + .little(Checksum.crc32(tar))
            + .little(UInt32(tar.count))
    }
}
