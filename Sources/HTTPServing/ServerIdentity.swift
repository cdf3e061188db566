import FoundationEssentials
import HummingbirdCore
import HummingbirdTLS
import NIOSSL
import VerbatimJSON

/// The PEM files with a listener's certificate chain and key.
package struct ServerIdentity: Sendable {
    /// Why the listener cannot use them.
    package struct Refusal: Error, Sendable {
        /// A sentence that names the setting, the file and the reason.
        package let message: String
    }

    /// The part of the settings that names them, for messages.
    private let section: String
    private let certificateFile: String
    private let keyFile: String

    package init(section: String, certificateFile: String, keyFile: String) {
        self.section = section
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    /// The same channels over TLS. Byte order marks in the files are skipped.
    package func channels(over http: ChannelBuilder) throws(Refusal) -> ChannelBuilder {
        let configuration = try configuration()
        do {
            _ = try NIOSSLContext(configuration: configuration)
        } catch {
            throw Refusal(
                message:
                    "\(section).certificate_file (\(certificateFile)) and \(section).key_file (\(keyFile)) do not match."
            )
        }
        return ChannelBuilder { responder in try Self.tls(http.build(responder), configuration) }
    }

    private static func tls(
        _ channel: some ServerChildChannel, _ configuration: TLSConfiguration
    ) throws -> any ServerChildChannel {
        try TLSChannel(channel, tlsConfiguration: configuration)
    }

    private func configuration() throws(Refusal) -> TLSConfiguration {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMBytes(try bytes(of: certificateFile, for: "certificate_file"))
        } catch let error as Refusal {
            throw error
        } catch {
            throw Refusal(message: "\(section).certificate_file: \(certificateFile) contains no PEM certificate.")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(bytes: try bytes(of: keyFile, for: "key_file"), format: .pem)
        } catch let error as Refusal {
            throw error
        } catch {
            throw Refusal(
                message: "\(section).key_file: \(keyFile) contains no PEM private key, or one with a passphrase.")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        return configuration
    }

    private func bytes(of path: String, for setting: String) throws(Refusal) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Refusal(
                message: "\(section).\(setting): \(path) cannot be read. Does it exist, and may you read it?")
        }
        return Array(data.withoutByteOrderMark)
    }
}
