import CPostgreSQL

/// Where a database is and who connects to it: a URL, or libpq's `name=value` words, such as `service=pollux`.
///
/// libpq reads it, with its environment variables, its service file and its password file
/// (https://www.postgresql.org/docs/15/libpq-connect.html).
package struct PostgresAddress: Sendable {
    /// The text as given, which may contain a password.
    package let text: String
    /// What messages must not contain.
    private let password: String?

    /// Throws a text without the password if libpq cannot read it.
    package init(_ text: String) throws(PostgresAddressError) {
        self.text = text
        var failure: UnsafeMutablePointer<CChar>?
        guard let options = PQconninfoParse(text, &failure) else {
            defer { PQfreemem(failure) }
            // The message quotes what it cannot read, which may be the password.
            throw PostgresAddressError()
        }
        defer { PQconninfoFree(options) }
        var place = options
        var password: String?
        while let keyword = place.pointee.keyword {
            if String(cString: keyword) == "password" { password = place.pointee.val.map { String(cString: $0) } }
            place += 1
        }
        self.password = password
    }

    /// A message without the password.
    func redacted(_ message: String) -> String {
        guard let password, !password.isEmpty else { return message }
        return message.split(separator: password, omittingEmptySubsequences: false).joined(separator: "(password)")
    }
}

/// libpq cannot read an address.
package struct PostgresAddressError: Error, CustomStringConvertible {
    package var description: String { "it is no address of PostgreSQL, such as postgres://user@host:5432/database" }
}
