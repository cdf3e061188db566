import StoreSQL

/// A statement in the form that the server reads.
final class PostgresStatement {
    /// The name under which a session keeps it.
    let name: String
    let text: String
    /// Whether it reads or writes the numbers of new rows, which the transaction otherwise keeps in memory.
    let usesCounter: Bool
    /// Whether the session has it.
    var isPrepared = false

    /// `expected` is the number of rows that it must change. Another number is the error ``wrongCount``, so that the server skips
    /// a COMMIT that was sent with it.
    init(_ text: String, changing expected: Int?, number: Int) {
        name = "p\(number)"
        let numbered = Self.numbered(text)
        self.text =
            expected.map {
                "WITH changed AS (\(numbered) RETURNING 1) SELECT 1 / CAST(COUNT(*) = \($0) AS INT) FROM changed"
            }
            ?? numbered
        usesCounter = text.contains("log_counter")
    }

    /// The SQLSTATE of a division by zero. No statement of the store divides by a value.
    static let wrongCount = "22012"

    /// Replaces `?` by `$1`, `$2` … and `?2` by `$2`, except in quotes.
    static func numbered(_ text: String) -> String {
        let mark = UInt8(ascii: "?"), quote = UInt8(ascii: "'")
        var result: [UInt8] = []
        result.reserveCapacity(text.utf8.count + 32)
        var count = 0
        var isQuoted = false
        var bytes = text.utf8.makeIterator()
        var next = bytes.next()
        while let byte = next {
            next = bytes.next()
            if byte == quote { isQuoted.toggle() }
            guard byte == mark, !isQuoted else {
                result.append(byte)
                continue
            }
            result.append(UInt8(ascii: "$"))
            if let digit = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) { continue }
            count += 1
            result += "\(count)".utf8
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// The statements of one connection, by key or text.
struct PostgresStatements {
    /// The most statements with a name. Each costs memory of the server; later ones are parsed at each use.
    static let mostNamed = 1_000

    /// A statement together with the number of rows that it must change.
    private struct Use<Statement: Hashable>: Hashable {
        let statement: Statement
        let expected: Int?
    }

    private var byKey: [Use<SQLStatement.Key>: PostgresStatement] = [:]
    private var byText: [Use<String>: PostgresStatement] = [:]
    private var count = 0

    mutating func callAsFunction(_ statement: SQLStatement, changing expected: Int?) -> PostgresStatement {
        switch statement {
        case .keyed(let key, let text):
            let use = Use(statement: key, expected: expected)
            if let known = byKey[use] { return known }
            let new = make(text(.postgres), changing: expected)
            if mayName { byKey[use] = new }
            return new
        case .text(let text):
            let use = Use(statement: text, expected: expected)
            if let known = byText[use] { return known }
            let new = make(text, changing: expected)
            if mayName { byText[use] = new }
            return new
        }
    }

    /// Whether another statement may have a name.
    var mayName: Bool { count <= Self.mostNamed }

    private mutating func make(_ text: String, changing expected: Int?) -> PostgresStatement {
        count += 1
        return PostgresStatement(text, changing: expected, number: count)
    }
}
