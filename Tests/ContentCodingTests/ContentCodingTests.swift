import CZlib
import Testing

@testable import ContentCoding

/// Tests compressed bodies and bodies that only claim to be compressed.
@Suite struct ContentCodingTests {
    private static let text = Array(#"{"task_id":"r-1","words":"häß"}"#.utf8)

    /// Compresses with zlib. `windowBits` is that of `deflateInit2`.
    private static func deflated(_ input: [UInt8], windowBits: Int32) -> [UInt8] {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        defer {
            deflateEnd(stream)
            stream.deallocate()
        }
        let size = Int32(MemoryLayout<z_stream>.size)
        deflateInit2_(
            stream, Z_BEST_COMPRESSION, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size)
        var input = input
        return [UInt8](unsafeUninitializedCapacity: Int(deflateBound(stream, uLong(input.count))) + 64) {
            buffer, count in
            input.withUnsafeMutableBufferPointer { source in
                stream.pointee.next_in = source.baseAddress
                stream.pointee.avail_in = uInt(source.count)
                stream.pointee.next_out = buffer.baseAddress
                stream.pointee.avail_out = uInt(buffer.count)
                deflate(stream, Z_FINISH)
                count = buffer.count - Int(stream.pointee.avail_out)
            }
        }
    }

    private static func gzip(_ input: [UInt8]) -> [UInt8] { deflated(input, windowBits: 31) }

    private func failure(
        _ body: [UInt8], _ encodings: String?, maxBytes: Int = 1 << 20
    ) -> ContentCoding.Failure? {
        do throws(ContentCoding.Failure) {
            _ = try ContentCoding.decode(body, encodings: encodings, maxBytes: maxBytes)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        arguments: [
            ("gzip", 31), ("x-gzip", 31), (" GZip ", 31), ("deflate", 15), ("deflate", -15), ("identity, gzip", 31),
        ] as [(String, Int32)])
    func `each coding is decoded, whatever its spelling and wrapper`(name: String, windowBits: Int32) throws {
        let body = Self.deflated(Self.text, windowBits: windowBits)
        #expect(try ContentCoding.decode(body, encodings: name, maxBytes: 1 << 20) == Self.text)
    }

    @Test(arguments: [nil, "", "identity", "gzip", "deflate, gzip"] as [String?])
    func `an empty body and one without codings are unchanged`(name: String?) throws {
        #expect(try ContentCoding.decode([], encodings: name, maxBytes: 10) == [])
        guard name != "deflate, gzip" else { return }
        #expect(try ContentCoding.decode(Self.text, encodings: name, maxBytes: 1 << 20) == Self.text)
    }

    @Test func `a gzip body without its header field is decoded too`() throws {
        #expect(try ContentCoding.decode(Self.gzip(Self.text), encodings: nil, maxBytes: 1 << 20) == Self.text)
    }

    @Test func `several codings are decoded from the last to the first`() throws {
        let twice = Self.gzip(Self.deflated(Self.text, windowBits: 15))
        #expect(try ContentCoding.decode(twice, encodings: "deflate, gzip", maxBytes: 1 << 20) == Self.text)
        #expect(failure(twice, "gzip, gzip, gzip, gzip") == .unknown("gzip, gzip, gzip, gzip"))
    }

    @Test func `a body of several gzip members is decoded completely`() throws {
        let body = Self.gzip(Array(Self.text[..<10])) + Self.gzip(Array(Self.text[10...]))
        #expect(try ContentCoding.decode(body, encodings: "gzip", maxBytes: 1 << 20) == Self.text)
    }

    @Test func `a body larger than one zlib chunk is decoded completely`() throws {
        var seed: UInt64 = 7
        let large = (0..<3_000_000).map { _ -> UInt8 in
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            return UInt8(truncatingIfNeeded: seed >> 33)
        }
        #expect(try ContentCoding.decode(Self.gzip(large), encodings: "gzip", maxBytes: 4 << 20) == large)
    }

    @Test func `a body that expands beyond the limit is rejected, and one that just fits is accepted`() throws {
        let bomb = Self.gzip([UInt8](repeating: 0x20, count: 64 << 20))
        #expect(bomb.count < 100_000)
        #expect(failure(bomb, "gzip", maxBytes: 1 << 20) == .tooLarge)
        #expect(failure(bomb, nil, maxBytes: 1 << 20) == .tooLarge)
        let fits = Self.gzip([UInt8](repeating: 0x20, count: 1 << 20))
        #expect(try ContentCoding.decode(fits, encodings: "gzip", maxBytes: 1 << 20).count == 1 << 20)
        #expect(failure(fits, "gzip", maxBytes: (1 << 20) - 1) == .tooLarge)
        #expect(failure(Self.text, nil, maxBytes: Self.text.count - 1) == .tooLarge)
    }

    @Test func `a body that is truncated or changed at any byte is damaged`() {
        let body = Self.gzip(Self.text)
        for length in 3..<body.count { #expect(failure(Array(body[..<length]), "gzip") == .damaged, "\(length)") }
        for place in 10..<body.count {
            var changed = body
            changed[place] ^= 0x55
            #expect(failure(changed, "gzip") != nil, "\(place)")
        }
        #expect(failure(Self.text, "deflate") == .damaged)
    }

    @Test(arguments: ["br", "zstd", "compress", "gzip, br"])
    func `an unknown coding is named`(name: String) {
        let unknown = name.contains("br") ? "br" : name
        #expect(failure(Self.gzip(Self.text), name) == .unknown(unknown))
        #expect(ContentCoding.Failure.unknown(unknown).problem.contains(unknown))
    }

    @Test func `what is compressed here can be read again, and is smaller`() throws {
        for body in [[], Self.text, [UInt8](repeating: 7, count: 1 << 20)] {
            let compressed = ContentCoding.gzip(body)
            #expect(compressed.starts(with: [0x1f, 0x8b, 0x08]))
            #expect(try ContentCoding.decode(compressed, encodings: "gzip", maxBytes: 1 << 20) == body)
        }
        #expect(ContentCoding.gzip([UInt8](repeating: 7, count: 1 << 20)).count < 4_096)
    }
}
