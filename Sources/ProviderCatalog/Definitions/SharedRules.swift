import TaskModel

/// The rules of a definition for the replies of all its endpoints.
struct SharedRules {
    private let codes: ReplyCodes
    private let wait: WaitPlace?
    private let words: StatusVocabulary

    init(_ fields: DefinitionFields) throws(CatalogError) {
        codes = try Self.codes(fields)
        wait = try fields.fields("error", allowed: DeclaredDefinition.errorFields)?.waitPlace("wait")
        words =
            try fields.fields("words", allowed: ["succeeded", "failed"]).map { fields throws(CatalogError) in
                try Self.words(fields, StatusVocabulary())
            } ?? StatusVocabulary()
    }

    /// The rules of one endpoint.
    func rules(of endpoint: EndpointName, provider: ProviderName) -> ResponseRules {
        var rules = ResponseRules(endpoint: endpoint, provider: provider)
        rules.codes = codes
        rules.wait = wait
        rules.words = words
        return rules
    }

    private static func words(
        _ fields: DefinitionFields, _ general: StatusVocabulary
    ) throws(CatalogError) -> StatusVocabulary {
        var words = general
        if let succeeded = try fields.texts("succeeded") { words.succeeded = Set(succeeded.map { $0.lowercased() }) }
        if let failed = try fields.texts("failed") { words.failed = Set(failed.map { $0.lowercased() }) }
        if let both = words.succeeded.intersection(words.failed).min() {
            throw fields.error("failed", "\"\(both)\" is listed as a success too")
        }
        return words
    }

    private static func codes(_ fields: DefinitionFields) throws(CatalogError) -> ReplyCodes {
        var codes = ReplyCodes()
        if let told = try fields.fields("codes", allowed: ReplyMeaning.allCases.map(\.rawValue)) {
            for meaning in ReplyMeaning.allCases {
                let (listed, texts) = try told.codesAndTexts(meaning.rawValue)
                for code in listed where codes.codes.updateValue(meaning, forKey: code) ?? meaning != meaning {
                    throw told.error(meaning.rawValue, "\"\(code)\" is listed under another meaning too")
                }
                for text in texts where codes.texts.updateValue(meaning, forKey: text) ?? meaning != meaning {
                    throw told.error(meaning.rawValue, "\"\(text)\" is listed under another meaning too")
                }
            }
        }
        if let told = try fields.fields("statuses", allowed: ReplyMeaning.allCases.map(\.rawValue)) {
            for meaning in ReplyMeaning.allCases {
                for status in try told.statuses(meaning.rawValue) ?? [] {
                    guard codes.statuses.updateValue(meaning, forKey: status) == nil else {
                        throw told.error(meaning.rawValue, "\(status) is listed under another meaning too")
                    }
                }
            }
        }
        if let hints = try fields.fields("hints", allowed: nil) {
            for (code, _) in hints.names { codes.hints[code.lowercased()] = try hints.text(code) }
        }
        return codes
    }
}
