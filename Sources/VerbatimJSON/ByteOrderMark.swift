/// The UTF-8 byte order mark, which some editors add and which has no meaning.
package enum ByteOrderMark {
    package static let utf8: [UInt8] = [0xef, 0xbb, 0xbf]
}

extension Collection<UInt8> {
    /// The text without its byte order mark.
    package var withoutByteOrderMark: SubSequence {
        starts(with: ByteOrderMark.utf8) ? dropFirst(ByteOrderMark.utf8.count) : self[...]
    }
}
