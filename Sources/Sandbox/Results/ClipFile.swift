/// A clip of one second and 128 by 96 points, in which a bright bar moves over a coloured ground.
///
/// MP4 with H.264 (constrained baseline). Every macroblock is `I_PCM`, so the encoder only copies samples.
struct ClipFile {
    static let (width, height, frames) = (128, 96, 5)

    private let luma: UInt8
    private let chroma: [UInt8]
    /// Makes files differ whose colours are equal, of which there are two millions only.
    private let mark: UInt64

    init(using random: inout SeededRandom) {
        // Within the range of video, and without zeros.
        luma = UInt8(40 + random.next() % 120)
        chroma = (0..<2).map { _ in UInt8(64 + random.next() % 128) }
        mark = random.next()
    }

    // MARK: H.264

    private static let (columns, rows) = (width / 16, height / 16)

    private static let sequenceParameters: [UInt8] = {
        var bits = BitWriter()
        bits.write(66, bits: 8)  // baseline
        bits.write(0xC0, bits: 8)  // also constrained
        bits.write(30, bits: 8)  // level 3
        for value in [0, 0, 2, 1] { bits.writeGolomb(value) }  // id, frame numbers, order of output, references
        bits.write(0, bits: 1)
        bits.writeGolomb(columns - 1)
        bits.writeGolomb(rows - 1)
        bits.write(0b1000, bits: 4)  // whole frames, no cropping
        return unit(0x67, bits.ended)
    }()

    private static let pictureParameters: [UInt8] = {
        var bits = BitWriter()
        for value in [0, 0] { bits.writeGolomb(value) }
        bits.write(0, bits: 2)  // CAVLC
        for value in [0, 0, 0] { bits.writeGolomb(value) }
        bits.write(0, bits: 3)  // no weights
        for value in [0, 0, 0] { bits.writeGolomb(value) }
        bits.write(0b100, bits: 3)  // slices can turn off the deblocking filter
        return unit(0x68, bits.ended)
    }()

    private func picture(_ number: Int) -> [UInt8] {
        var bits = BitWriter()
        for value in [0, 7, 0] { bits.writeGolomb(value) }  // from the first macroblock, all intra
        bits.write(0, bits: 4)
        bits.writeGolomb(number % 2)
        bits.write(0, bits: 2)
        bits.writeGolomb(0)
        bits.writeGolomb(1)  // no deblocking
        let bar = number * Self.columns / Self.frames
        for block in 0..<(Self.columns * Self.rows) {
            bits.writeGolomb(25)  // I_PCM
            bits.align()
            let isBright = block % Self.columns == bar
            bits.append([UInt8](repeating: isBright ? 220 : luma, count: 256))
            for sample in chroma { bits.append([UInt8](repeating: isBright ? 128 : sample, count: 64)) }
        }
        return Self.unit(0x65, bits.ended)
    }

    /// A unit with its type, and a byte against sequences that look like a start code.
    private static func unit(_ type: UInt8, _ payload: [UInt8]) -> [UInt8] {
        var bytes = [type]
        var zeros = 0
        for byte in payload {
            if zeros == 2, byte <= 3 {
                bytes.append(3)
                zeros = 0
            }
            bytes.append(byte)
            zeros = byte == 0 ? zeros + 1 : 0
        }
        return bytes
    }

    // MARK: MP4

    var mp4: [UInt8] {
        let samples = (0..<Self.frames).map { number in
            let unit = picture(number)
            return .big(UInt32(unit.count)) + unit
        }
        let type = Self.box("ftyp", Array("isom".utf8), .big(UInt32(512)), Array("isomiso2avc1mp41".utf8))
        let sizes = samples.map(\.count)
        // The size of the header does not depend on where the samples begin.
        let start = type.count + Self.header(sizes, from: 0).count + 8
        return type + Self.header(sizes, from: start) + Self.box("mdat", samples.flatMap(\.self))
            + Self.box("free", .big(mark))
    }

    private static let timescale: UInt32 = 1_000

    private static func header(_ sizes: [Int], from start: Int) -> [UInt8] {
        let matrix = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000].flatMap { [UInt8].big(UInt32($0)) }
        let movie = box(
            "mvhd", zeros(12), .big(timescale), .big(timescale), .big(UInt32(0x10000)), .big(UInt16(0x100)), zeros(10),
            matrix, zeros(24), .big(UInt32(2)))
        let track = box(
            "tkhd", [0, 0, 0, 7], zeros(8), .big(UInt32(1)), zeros(4), .big(timescale), zeros(16), matrix,
            .big(UInt32(width << 16)), .big(UInt32(height << 16)))
        // The language is undetermined.
        let media = box("mdhd", zeros(12), .big(timescale), .big(timescale), .big(UInt16(0x55C4)), zeros(2))
        let handler = box("hdlr", zeros(8), Array("vide".utf8), zeros(12), Array("Sandbox\0".utf8))
        let source = box("dinf", box("dref", zeros(4), .big(UInt32(1)), box("url ", [0, 0, 0, 1])))
        let table = box(
            "stbl", box("stsd", zeros(4), .big(UInt32(1)), sampleEntry),
            box("stts", zeros(4), .big(UInt32(1)), .big(UInt32(sizes.count)), .big(timescale / UInt32(sizes.count))),
            box("stsc", zeros(4), .big(UInt32(1)), .big(UInt32(1)), .big(UInt32(sizes.count)), .big(UInt32(1))),
            box("stsz", zeros(8), .big(UInt32(sizes.count)), sizes.flatMap { [UInt8].big(UInt32($0)) }),
            box("stco", zeros(4), .big(UInt32(1)), .big(UInt32(start))))
        let information = box("minf", box("vmhd", [0, 0, 0, 1], zeros(8)), source, table)
        return box("moov", movie, box("trak", track, box("mdia", media, handler, information)))
    }

    private static var sampleEntry: [UInt8] {
        let configuration = box(
            "avcC", [1, 66, 0xC0, 30, 0xFF, 0xE1], .big(UInt16(sequenceParameters.count)), sequenceParameters, [1],
            .big(UInt16(pictureParameters.count)), pictureParameters)
        return box(
            "avc1", zeros(6), .big(UInt16(1)), zeros(16), .big(UInt16(width)), .big(UInt16(height)),
            .big(UInt32(0x48_0000)), .big(UInt32(0x48_0000)), zeros(4), .big(UInt16(1)), zeros(32), .big(UInt16(24)),
            [0xFF, 0xFF], configuration)
    }

    private static func box(_ name: String, _ parts: [UInt8]...) -> [UInt8] {
        let contents = Array(name.utf8) + parts.flatMap(\.self)
        return .big(UInt32(contents.count + 4)) + contents
    }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}

/// Writes numbers bit by bit, as H.264 needs them.
private struct BitWriter {
    private var bytes: [UInt8] = []
    /// How many bits of the last byte are written.
    private var used = 8

    mutating func write(_ value: Int, bits count: Int) {
        for place in (0..<count).reversed() {
            if used == 8 {
                bytes.append(0)
                used = 0
            }
            bytes[bytes.count - 1] |= UInt8(value >> place & 1) << UInt8(7 - used)
            used += 1
        }
    }

    /// An unsigned Exp-Golomb code. A signed zero has the same code.
    mutating func writeGolomb(_ value: Int) {
        let length = Int.bitWidth - (value + 1).leadingZeroBitCount
        write(0, bits: length - 1)
        write(value + 1, bits: length)
    }

    mutating func align() { used = 8 }

    /// Appends whole bytes at the boundary of a byte.
    mutating func append(_ more: [UInt8]) { bytes += more }

    /// The bytes with the bit that ends a unit.
    var ended: [UInt8] {
        var writer = self
        writer.write(1, bits: 1)
        return writer.bytes
    }
}
