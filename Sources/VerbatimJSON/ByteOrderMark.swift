/// ByteOrderMark is what some editors put in front of UTF-8, where it means nothing.
package enum ByteOrderMark {
    package static let utf8: [UInt8] = [0xef, 0xbb, 0xbf]
}

extension Collection<UInt8> {
    /// The text behind its byte order mark, if it has one.
    package var withoutByteOrderMark: SubSequence {
        starts(with: ByteOrderMark.utf8) ? dropFirst(ByteOrderMark.utf8.count) : self[...]
    }
}
