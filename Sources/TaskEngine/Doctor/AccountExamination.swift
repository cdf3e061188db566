import ProviderCatalog
import TaskModel
import TaskStore

/// AccountExamination reads the list of each account once. That shows whether its token is valid, and what the
/// provider's clock says.
struct AccountExamination: Sendable {
    let admission: AdmissionControl
    let sender: QuerySender
    let time: any TimeSource

    /// Programs compare times to the second, and signed requests are refused some minutes beside the time.
    static let toleratedSkew = Duration.seconds(30)

    func findings(of catalog: ProviderCatalog) async -> [Finding] {
        var findings: [Finding] = []
        var skews: [(provider: ProviderName, skew: Duration)] = []
        for provider in catalog.providers.map(\.name).sorted() {
            let list = catalog.endpoints.first { $0.provider == provider && $0.listing != nil }
            for account in admission.accounts.of(provider) where account.hasToken {
                let owner = ProviderAccount(provider: provider, account: account.name)
                findings += pause(of: owner)
                let (finding, skew) = await reading(list, by: owner)
                findings.append(finding)
                if let skew, skews.last?.provider != provider { skews.append((provider, skew)) }
            }
        }
        guard !findings.isEmpty else {
            return [
                Finding(
                    .account, .trouble,
                    "No provider has a token, so all tasks wait in the queue. Set XHUOAPI_TOKEN_FILE or providers.NAME.token_file, and start the daemon again."
                )
            ]
        }
        return findings + clock(skews)
    }

    private func pause(of owner: ProviderAccount) -> [Finding] {
        guard let pause = admission.breakers.state(of: .account(owner)).pause else { return [] }
        return [
            Finding(
                .account, "\(owner)", .trouble,
                "It is paused: \(pause.code): \(pause.message.sentence) Its tasks wait. Remove the cause, then run pollux resume with any of its endpoints."
            )
        ]
    }

    /// Reads the account's list; returns also how far the provider's clock is ahead.
    private func reading(
        _ profile: EndpointProfile?, by owner: ProviderAccount
    ) async -> (Finding, skew: Duration?) {
        func finding(_ result: Finding.Result, _ message: String) -> Finding {
            Finding(.account, "\(owner)", result, message)
        }
        let (now, list) = (time.now(), profile?.listing)
        guard let profile, let list, let request = list.page(from: now - .seconds(60), to: now, offset: 0, limit: 1)
        else {
            return (
                finding(
                    .unchecked,
                    "The provider has no list that could be read for free, so its token is tested by the next task."),
                nil
            )
        }
        let endpoint = AccountEndpoint(profile, of: owner.account)
        guard await admission.waitForQuerySlot(of: endpoint) else {
            return (finding(.unchecked, "The daemon is stopping."), nil)
        }
        do throws(UpstreamTransportError) {
            let reply = try await sender.send(request, by: endpoint)
            return (finding(.init(list.read(reply)), list.read(reply).words), reply.date.map { $0 - time.now() })
        } catch {
            return (
                finding(
                    .trouble,
                    "\(TaskFailure(error).message.sentence) Its tasks wait. Check the network, the proxy and the base URL in pollux providers."
                ),
                nil
            )
        }
    }

    private func clock(_ skews: [(provider: ProviderName, skew: Duration)]) -> [Finding] {
        guard let worst = skews.max(by: { abs($0.skew.inSeconds) < abs($1.skew.inSeconds) }) else {
            return [
                Finding(.clock, .unchecked, "No provider has told the time, so this machine's clock was not compared.")
            ]
        }
        let seconds = Int(abs(worst.skew.inSeconds).rounded())
        guard abs(worst.skew.inSeconds) > Self.toleratedSkew.inSeconds else {
            return [Finding(.clock, .ok, "This machine's clock agrees with \(worst.provider)'s to \(seconds) s.")]
        }
        return [
            Finding(
                .clock, "\(worst.provider)", .trouble,
                "This machine's clock is \(seconds) s \(worst.skew > .zero ? "behind" : "ahead of") \(worst.provider)'s, so deadlines, signatures and searches for lost tasks may be wrong. Have it set by the network: timedatectl set-ntp true."
            )
        ]
    }
}

extension Finding.Result {
    fileprivate init(_ verdict: ListingVerdict) {
        switch verdict {
        case .page: self = .ok
        case .throttled: self = .unchecked
        case .failed: self = .trouble
        }
    }
}

extension ListingVerdict {
    fileprivate var words: String {
        switch self {
        case .page: "The provider takes its token."
        case .throttled(let failure, _):
            "The provider takes no more queries at the moment: \(failure.code): \(failure.message.sentence) Try again later."
        case .failed(let failure, suspendsProvider: true):
            "The provider refuses its token: \(failure.code): \(failure.message.sentence) Nothing is sent by it. Put a valid token into its file and run pollux reload, or set its variable and start the daemon again."
        case .failed(let failure, suspendsProvider: false):
            "Its list cannot be read: \(failure.code): \(failure.message.sentence) A lost reply cannot be looked up then. If that stays, ask the provider."
        }
    }
}
