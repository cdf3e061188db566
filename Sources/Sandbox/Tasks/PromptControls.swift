/// Commands in brackets inside a request's texts that control the simulated generation.
struct PromptControls: Sendable, Equatable {
    /// `[fail]` or `[fail:STYLE]`: the generation fails.
    var fails = false
    /// The style of `[fail:STYLE]`; nil lets the seed choose.
    var failureStyle: FailureStyle?
    /// `[partial]`: one of several outputs fails.
    var failsPartly = false
    /// `[slow]`: takes five times longer.
    var isSlow = false
    /// `[moderated]`: the submit is rejected.
    var isModerated = false
    /// `[status=WORD]`: the word with which an interaction ends.
    var status: String?
    /// `[seconds=N]`: the unscaled duration.
    var seconds: Double?
    /// `[kib=N]`: the size of a picture that a record contains.
    var kibibytes: Int?

    init(request: JSONValue) {
        // Services keep their texts in different places: prompt, text, content[].text, a page's URL.
        switch request {
        case .null, .bool, .number: break
        case .string(let text): for match in text.matches(of: /\[([^\[\]]*)\]/) { read(match.1) }
        case .array(let elements): for element in elements { merge(PromptControls(request: element)) }
        case .object(let members): for member in members { merge(PromptControls(request: member.value)) }
        }
    }

    private mutating func merge(_ other: PromptControls) {
        fails = fails || other.fails
        failureStyle = other.failureStyle ?? failureStyle
        failsPartly = failsPartly || other.failsPartly
        isSlow = isSlow || other.isSlow
        isModerated = isModerated || other.isModerated
        status = other.status ?? status
        seconds = other.seconds ?? seconds
        kibibytes = other.kibibytes ?? kibibytes
    }

    private mutating func read(_ control: Substring) {
        switch control {
        case "fail": fails = true
        case "partial": failsPartly = true
        case "slow": isSlow = true
        case "moderated": isModerated = true
        default:
            if control.hasPrefix("fail:") {
                fails = true
                failureStyle = FailureStyle(rawValue: String(control.dropFirst(5)))
            } else if control.hasPrefix("status=") {
                status = String(control.dropFirst(7))
            } else if control.hasPrefix("seconds="), let value = Double(control.dropFirst(8)), value.isFinite {
                // At most one day, so that no sum of dates overflows.
                seconds = min(max(value, 0), 86_400)
            } else if control.hasPrefix("kib="), let value = Int(control.dropFirst(4)) {
                kibibytes = min(max(value, 0), 65_536)
            }
        }
    }

    static let help = """
        Commands in any text of a request that control its task:
          [seconds=N]   takes N seconds, before --speed
          [slow]        takes five times as long
          [fail]        ends failed; [fail:STYLE] reports it as STYLE: plain, unstamped (finished_at is null),
                        uncoded (no error.code), string (error is a bare string), item (data[].state only);
                        a service without that style uses plain
          [partial]     one of two songs fails (suno)
          [moderated]   refused at submit with 403 forbidden
          [kib=N]       the picture in the record of an interaction of google has N KiB (a model named image)
          [status=WORD] an interaction of google ends with it: incomplete, budget_exceeded, requires_action …
        """
}
