import Foundation

/// Sounds of one second.
enum SoundFile {
    /// A tone, as 16-bit WAV with 8,000 samples a second.
    static func tone(using random: inout SeededRandom) -> [UInt8] {
        let (rate, frequency) = (8_000, 220 + Double(random.next() % 440))
        let samples = (0..<rate).flatMap { place in
            [UInt8].little(Int16(12_000 * sin(2 * .pi * frequency * Double(place) / Double(rate))))
        }
        let format: [UInt8] =
            .little(UInt16(1)) + .little(UInt16(1)) + .little(UInt32(rate)) + .little(UInt32(2 * rate))
            + .little(UInt16(2)) + .little(UInt16(16))
        let body = Array("WAVEfmt ".utf8) + .little(UInt32(format.count)) + format + Array("data".utf8)
        return Array("RIFF".utf8) + .little(UInt32(body.count + 4 + samples.count)) + body
            + .little(UInt32(samples.count)) + samples
    }

    /// Silence as MP3, with its title in an ID3 tag. An encoder for anything louder is more than the sandbox needs.
    static func silence(title: String) -> [UInt8] {
        // Latin-1, after a byte that says so.
        let text = [0] + title.utf8.filter { $0 < 0x80 }
        let frame = Array("TIT2".utf8) + .big(UInt32(text.count)) + [0, 0] + text
        let size = UInt32(frame.count)
        let tag = Array("ID3".utf8) + [3, 0, 0] + [21, 14, 7, 0].map { UInt8(size >> $0 & 0x7F) } + frame
        // MPEG 1, layer III, 128 kbit/s, 44.1 kHz, mono: 417 bytes. Side information of zeros means no sound.
        let silent = [0xFF, 0xFB, 0x90, 0xC4] + [UInt8](repeating: 0, count: 413)
        return tag + (0..<38).flatMap { _ in silent }
    }

    /// One note, as a standard MIDI file.
    static func note(using random: inout SeededRandom) -> [UInt8] {
        let key = UInt8(60 + random.next() % 12)
        let track: [UInt8] = [0, 0x90, key, 96, 96, 0x80, key, 0, 0, 0xFF, 0x2F, 0]
        return Array("MThd".utf8) + .big(UInt32(6)) + [0, 0, 0, 1, 0, 96] + Array("MTrk".utf8)
            + .big(UInt32(track.count)) + track
    }
}
