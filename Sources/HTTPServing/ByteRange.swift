package import HTTPTypes

/// What `Range` and `If-Range` ask for (RFC 9110, section 14.2). Several ranges count as none.
package enum ByteRange: Equatable {
    case whole
    /// `isRest` says that the client has all that is before it: it begins at 0, or names the file whose rest it wants.
    case part(ClosedRange<Int>, isRest: Bool)
    case unsatisfiable

    package init(_ headers: HTTPFields, tag: String, size: Int) {
        self = .whole
        guard let text = headers[.range], text.hasPrefix("bytes="), headers[.ifRange] ?? tag == tag else { return }
        let ends = text.dropFirst("bytes=".count).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return }
        switch (Int(ends[0]), Int(ends[1])) {
        case (let first?, let last):
            guard ends[1].isEmpty || last.map({ $0 >= first }) ?? false else { return }
            let range = first...max(first, min(last ?? .max, size - 1))
            let isRest = range.upperBound == size - 1 && (first == 0 || headers[.ifRange] == tag)
            self = first < size ? .part(range, isRest: isRest) : .unsatisfiable
        case (nil, let count?) where ends[0].isEmpty:
            // The last bytes.
            self = count > 0 ? .part(max(0, size - count)...size - 1, isRest: count >= size) : .unsatisfiable
        default: return
        }
    }
}
