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

    init(_ text: String, number: Int) {
        name = "p\(number)"
        self.text = Self.numbered(text)
        usesCounter = text.contains("log_counter")
    }

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

    private var byKey: [SQLStatement.Key: PostgresStatement] = [:]
    private var byText: [String: PostgresStatement] = [:]
    private var count = 0

    mutating func callAsFunction(_ statement: SQLStatement) -> PostgresStatement {
        switch statement {
        case .keyed(let key, let text):
            if let known = byKey[key] { return known }
            let new = make(text(.postgres))
            if count <= Self.mostNamed { byKey[key] = new }
            return new
        case .text(let text):
            if let known = byText[text] { return known }
            let new = make(text)
            if count <= Self.mostNamed { byText[text] = new }
            return new
        }
    }

    /// Whether another statement may have a name.
    var mayName: Bool { count <= Self.mostNamed }

    private mutating func make(_ text: String) -> PostgresStatement {
        count += 1
        return PostgresStatement(text, number: count)
    }
}
