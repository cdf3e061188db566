import HTTPTypes

/// Which header fields of a program go on to the provider.
enum PassedHeaders {
    /// They concern one connection only (RFC 9110, section 7.6.1), or this machine.
    private static let connectionFields: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
        "transfer-encoding", "upgrade", "expect", "host", "content-length", "forwarded", "via",
    ]
    private static let cookies: Set<String> = ["cookie", "cookie2"]
    /// Of a submission: its reply is read here, and its body is written anew.
    private static let readHere: Set<String> = [
        "accept", "accept-encoding", "content-type", "prefer", "user-agent",
    ]
    private static let beginnings = ["x-stainless-", "pollux-", "x-forwarded-", "sec-fetch-"]

    /// The fields of a request that passes through.
    static func endToEnd(_ fields: HTTPFields, without places: CredentialPlaces) -> [(name: String, value: String)] {
        let named = namedByConnection(fields)
        return fields.compactMap { field in
            let name = field.name.canonicalName
            guard !connectionFields.contains(name), !cookies.contains(name), !places.headers.contains(name),
                !named.contains(name),
                !beginnings.contains(where: { name.hasPrefix($0) })
            else { return nil }
            return (name, field.value)
        }
    }

    /// The fields of a submission that are stored with its task.
    static func ofSubmission(_ fields: HTTPFields, without places: CredentialPlaces) -> [String: String] {
        Dictionary(endToEnd(fields, without: places).filter { !readHere.contains($0.name) }.map { ($0.name, $0.value) })
        {
            "\($0), \($1)"
        }
    }

    /// The fields of a reply that passes through.
    static func ofReply(_ fields: [(name: String, value: String)]) -> [(name: String, value: String)] {
        let named = Set(
            fields.filter { $0.name.lowercased() == "connection" }.flatMap {
                $0.value.lowercased().split(separator: ",")
            }
            .map { String($0.filter { $0 != " " }) })
        return fields.filter { field in
            let name = field.name.lowercased()
            return !connectionFields.contains(name) && !named.contains(name) && name != "set-cookie"
        }
    }

    private static func namedByConnection(_ fields: HTTPFields) -> Set<String> {
        Set((fields[.connection] ?? "").lowercased().split(separator: ",").map { String($0.filter { $0 != " " }) })
    }
}
