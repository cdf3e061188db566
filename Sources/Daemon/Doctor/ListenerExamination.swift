import NIOCore
import ProviderCatalog
import TaskEngine
import TaskModel
import UpstreamHTTP

/// ListenerExamination asks the daemon's own network addresses, as other programs would.
struct ListenerExamination {
    let settings: DaemonSettings
    let connections: UpstreamHTTP.Connections
    /// The number of requests so far whose callback token is unknown.
    let unknownTokens: @Sendable () async -> Int
    let time: SystemTimeSource
    let group: any EventLoopGroup

    func findings() async -> [Finding] {
        var findings: [Finding] = []
        if settings.callbacks.listen != nil, let url = settings.callbacks.publicURL {
            findings.append(await callbacks(at: url))
        }
        if let url = settings.gateway.url { findings.append(await gateway(at: url)) }
        return findings
    }

    /// Sends a request with an unknown token to the public URL. The receiver counts such requests, so its count shows
    /// whether the request came here, even if a proxy answers it.
    private func callbacks(at url: String) async -> Finding {
        func finding(_ result: Finding.Result, _ message: String) -> Finding {
            Finding(.callbacks, url, result, message)
        }
        let before = await unknownTokens()
        let outcome = await ask(url + "/callbacks/pollux-doctor", through: connections)
        let hasArrived = await unknownTokens() > before
        switch outcome {
        case _ where hasArrived:
            return finding(
                .ok,
                "A request from this machine arrives. Whether the provider's do cannot be seen from here: pollux status counts deliveries."
            )
        case .success(let status):
            return finding(
                .trouble,
                "Another server answers there (HTTP status \(status)), so callbacks get lost and ends are noticed by polls only. Have \(url)/callbacks/ forwarded to callbacks.listen, \(settings.callbacks.listen?.description ?? "")."
            )
        case .failure(let reason):
            return finding(
                .trouble,
                "This machine cannot reach it: \(reason.sentence) If providers cannot either, ends are noticed by polls only. Check the name, the forwarding to \(settings.callbacks.listen?.description ?? "") and the firewall; only from elsewhere can be seen whether an address works that this machine does not reach."
            )
        }
    }

    /// Sends a request without a token, which the gateway refuses.
    private func gateway(at url: String) async -> Finding {
        func finding(_ result: Finding.Result, _ message: String) -> Finding {
            Finding(.gateway, url, result, message)
        }
        guard settings.gateway.listen?.port != 0 else {
            return finding(.unchecked, "The system has chosen its port, which is in the log only.")
        }
        // A request to this machine needs no proxy.
        var direct = connections
        direct.proxies = .none
        switch await ask(url + "/xhuoapi/v1/tasks", through: direct) {
        case .success(401): return finding(.ok, "It answers, and refuses a request without a token.")
        case .success(let status):
            return finding(
                .trouble,
                "It answers a request without a token with HTTP status \(status) instead of 401, so another program may listen there. Choose another gateway.listen, and start the daemon again."
            )
        case .failure(let reason):
            return finding(
                .trouble,
                "Programs cannot use it: \(reason.sentence) Check gateway.listen, and a certificate whose name and authority programs trust in gateway.certificate_file."
            )
        }
    }

    private enum Answer {
        case success(Int)
        case failure(String)
    }

    private func ask(_ url: String, through connections: UpstreamHTTP.Connections) async -> Answer {
        let transport = UpstreamHTTP(
            accounts: Current(always: [:]), eventLoopGroup: group, connections: connections, now: { time.now() })
        let answer: Answer
        do throws(UpstreamTransportError) {
            let request = UpstreamRequest(method: "GET", path: "", url: url)
            // No account has credentials here.
            let reply = try await transport.send(
                request, by: ProviderAccount(provider: .undefined), isPaid: false, timeout: .seconds(15))
            answer = .success(reply.status)
        } catch {
            answer = .failure(error.reason)
        }
        try? await transport.shutdown()
        return answer
    }
}

extension UpstreamTransportError {
    fileprivate var reason: String {
        switch self {
        case .notSent(let reason), .interrupted(let reason): reason
        case .tooLarge, .outdated, .leaseExpired, .cancelled: "the reply is no reply of Pollux"
        }
    }
}
