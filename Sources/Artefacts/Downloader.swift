import AsyncHTTPClient
import FoundationEssentials
package import NIOCore
import NIOHTTP1
package import ProviderCatalog
import Synchronization
package import TaskEngine
package import TaskModel
import Text
package import UpstreamHTTP

/// Downloader fetches files over HTTP and has ``ObjectFiles`` keep them.
package final class Downloader: ArtefactDownloads {
    /// An unfinished download, and what tells that the rest belongs to it.
    struct Partial: Sendable {
        let draft: ObjectDraft
        let url: String
        /// A strong one (RFC 9110, section 8.8.3).
        let entityTag: String
        let total: Int64?
    }

    let files: ObjectFiles
    private let connections: Current<UpstreamHTTP.Connections>
    private let access: Current<[ProviderAccount: UpstreamHTTP.Access]>
    let check: AddressCheck
    let time: any TimeSource
    let group: any EventLoopGroup
    /// Bounded, since each keeps a file open.
    private let partials = Mutex<[Artefact.ID: Partial]>([:])

    private static let mostPartials = 32
    private static let mostRedirects = 5
    /// How long a server may send nothing.
    private static let silence = Duration.seconds(30)

    package init(
        files: ObjectFiles, connections: Current<UpstreamHTTP.Connections>,
        access: Current<[ProviderAccount: UpstreamHTTP.Access]>, check: AddressCheck = AddressCheck(),
        time: any TimeSource, group: any EventLoopGroup
    ) {
        self.files = files
        self.connections = connections
        self.access = access
        self.check = check
        self.time = time
        self.group = group
    }

    package func prepare(_ records: any ArtefactRecords) async throws(ArtefactFailure) {
        try await files.prepare(records)
    }

    package func check() async throws(ArtefactFailure) {
        try await files.onDisk { [files] () throws(ArtefactFailure) in try files.mark.check() }
    }

    package func settle(_ object: Artefact.Object) { files.settle(object: object.sha256) }

    package func remove(
        _ artefact: Artefact, _ object: Artefact.Object,
        isUsed: @Sendable () async throws(ArtefactFailure) -> Bool
    ) async throws(ArtefactFailure) {
        try await files.remove(artefact, object, isUsed: isUsed)
    }

    package func removePart(
        _ sha256: String, isUsed: @Sendable () async throws(ArtefactFailure) -> Bool,
        removed: @Sendable () async throws(ArtefactFailure) -> Void
    ) async throws(ArtefactFailure) {
        try await files.removePart(sha256, isUsed: isUsed, removed: removed)
    }

    package func usage() async throws(ArtefactFailure) -> (used: Int64, quota: Int64) {
        let quota = try await files.onDisk { [files] () throws(ArtefactFailure) in
            try files.mark.check()
            return try files.quota()
        }
        return (files.used, quota)
    }

    package var directory: String { files.directory }

    package func file(of sha256: String) throws(ArtefactFailure) -> String? { try files.file(of: sha256) }

    package func forget(_ id: Artefact.ID) { _ = take(id) }

    /// Takes the unfinished download out, so that one attempt at a time has it.
    func take(_ id: Artefact.ID) -> Partial? { partials.withLock { $0.removeValue(forKey: id) } }

    /// Keeps an unfinished download for the next attempt.
    func keep(_ partial: Partial, of id: Artefact.ID) {
        partials.withLock { partials in
            if partials.count < Self.mostPartials { partials[id] = partial }
        }
    }

    package func download(_ request: ArtefactRequest) async throws(ArtefactFailure) -> Artefact.Object {
        if let content = request.content {
            return try await files.linkPart(
                content, promised: request.promisedType, base: request.name)
        }
        try await files.onDisk { () throws(ArtefactFailure) in
            try self.files.mark.check()
            try self.files.checkRoom(for: 0)
        }
        var url = request.url
        for redirects in 0...Self.mostRedirects {
            switch try await fetch(url, isFirst: redirects == 0, for: request) {
            case .file(let object): return object
            case .redirect(let location):
                guard let next = URL(string: location, relativeTo: URL(string: url))?.absoluteString else {
                    throw .forbidden("The server redirects to \"\(location.prefix(200))\", which is no URL.")
                }
                url = next
            }
        }
        throw .forbidden("The server redirects more than \(Self.mostRedirects) times.")
    }

    enum Reply {
        case file(Artefact.Object)
        case redirect(String)
    }

    /// Sends one request to each address of the host, until one can be reached.
    private func fetch(
        _ text: String, isFirst: Bool, for request: ArtefactRequest
    ) async throws(ArtefactFailure) -> Reply {
        guard let address = HTTPURL(text) else {
            throw .forbidden("\"\(text.prefix(200))\" is no URL that is fetched.")
        }
        guard address.scheme == "https" || request.hosts.isPlain else {
            throw .forbidden("The URL of \(address.host) is not encrypted, so nothing is fetched from it.")
        }
        // The host as it was checked, in lower case.
        let rest = text.drop { $0 != ":" }.dropFirst(3).drop { !"/?#".contains($0) }.prefix { $0 != "#" }
        let url = "\(address.scheme)://\(address.authority.text)\(rest.first == "/" ? "" : "/")\(rest)"
        let connections = connections.wrappedValue
        let isFirstOwn = isFirst && request.hosts.isOwn(address)
        var pins: [IPAddress?] = [nil]
        if !request.hosts.names(address) {
            do throws(AddressCheck.Refusal) {
                if connections.usesProxy(for: url) {
                    try check.check(address.authority)
                } else {
                    pins = try await check.addresses(of: address.authority)
                }
            } catch .notFound(let host) {
                throw .later("The host \(host) has no address at the moment.")
            } catch {
                throw .forbidden(error.message)
            }
        }
        var failure = ArtefactFailure.later("The host \(address.host) could not be reached.")
        for pin in pins.prefix(3) {
            let client = connections.downloadClient(
                for: url, pinning: pin.map { (address.authority, $0) }, silence: Self.silence, on: group)
            let result: Result<Reply, ArtefactFailure>
            var isUnreachable = false
            do throws(DownloadError) {
                result = .success(
                    try await FileDownload(
                        self, request, url: url, credential: credential(for: request, if: isFirstOwn)
                    )
                    .run(client))
            } catch {
                result = .failure(error.failure)
                isUnreachable = error.isUnreachable
            }
            try? await client.shutdown()
            guard case .failure(let reason) = result, isUnreachable else { return try result.get() }
            failure = reason
        }
        throw failure
    }

    /// The token goes to the provider's own host, and nowhere else.
    private func credential(for request: ArtefactRequest, if isOwn: Bool) -> (name: String, value: String)? {
        guard isOwn, request.needsToken else { return nil }
        return access.wrappedValue[request.account]?.credential(at: time.now())
    }
}

/// A failure, and whether it is one of the connection alone, so that another address may work.
struct DownloadError: Error {
    let failure: ArtefactFailure
    var isUnreachable = false
}
