import Bulk
import Core
import Dump
import Foundation
import Sodium
import Testing

/// SplitMix64: random numbers that a seed repeats.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  /// A generator of a fresh seed, which is printed so that a failure can be repeated.
  static func printing(_ test: String = #function) -> SeededGenerator {
    let seed = UInt64.random(in: 0 ... .max)
    print("\(test): seed \(seed)")
    return SeededGenerator(seed: seed)
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { bytes.append(bigEndian: next()) }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  mutating func digest() -> Digest {
    guard let digest = Digest(bytes(Digest.byteCount)) else { preconditionFailure("thirty-two bytes are a digest") }
    return digest
  }

  /// Pieces of noise, of one byte and of repeated text, as states are.
  mutating func state(_ count: Int) -> [UInt8] {
    var state: [UInt8] = []
    while state.count < count {
      let piece = 1 + Int(next() % 20_000)
      switch next() % 3 {
      case 0: state += bytes(piece)
      case 1: state += [UInt8](repeating: UInt8(truncatingIfNeeded: next()), count: piece)
      default: state += Array(String(repeating: "account \(next() % 1_000) ", count: piece / 12 + 1).utf8)
      }
    }
    return Array(state[..<count])
  }
}

/// A generation secret that every run of the tests has alike.
func secret(_ byte: UInt8 = 1) -> GenerationSecret {
  var bytes = [UInt8](repeating: byte, count: GenerationSecret.byteCount)
  do {
    return try GenerationSecret(SecretBytes(consuming: &bytes))
  } catch {
    preconditionFailure("thirty-two bytes are a generation secret")
  }
}

/// Every chunker that a charter can name.
let everyChunker =
  ChunkerParameters.FixedSize.allCases.map { ChunkerParameters.fixed($0) }
  + ChunkerParameters.ContentAverage.allCases.map { .content($0) }

/// A key's bytes, for comparison.
func bytes(of key: ObjectKey) -> [UInt8] {
  key.withUnsafeBytes { Array($0) }
}

/// A chunk that nobody sealed: the tree never looks into one.
func madeUpChunk(_ number: Int, plainByteCount: Int = 4_096) throws -> ObjectReference {
  var generator = SeededGenerator(seed: UInt64(number))
  return ObjectReference(
    id: try #require(Digest(generator.bytes(32))), key: try #require(ObjectKey(generator.bytes(32))),
    sealedByteCount: 533 + 512 * (number % 8), plainByteCount: plainByteCount)
}

/// A tree built from chunks: its nodes as they came, and its root.
func build(
  _ chunks: [ObjectReference], under secret: borrowing GenerationSecret
) throws -> (nodes: [SealedNode], root: ObjectReference) {
  var builder = TreeBuilder(secret: secret)
  var nodes: [SealedNode] = []
  for chunk in chunks { try builder.append(chunk, completed: &nodes) }
  let root = try builder.finish(completed: &nodes)
  return (nodes, root)
}

/// Where pieces of these lengths begin when they lie one after the other from 0.
func starts(_ byteCounts: [Int]) -> [Int] {
  byteCounts.reduce(into: (starts: [], end: 0)) { result, byteCount in
    result.starts.append(result.end)
    result.end += byteCount
  }.starts
}

/// Everything that a walk gives out, its nodes fetched from a dictionary.
func walk(
  _ root: ObjectReference, _ nodes: [Digest: [UInt8]], chunker: ChunkerParameters = .fixed(.kib4)
) throws -> [TreeWalk.PlacedChunk] {
  var walk = TreeWalk(root: root, chunker: chunker)
  var chunks: [TreeWalk.PlacedChunk] = []
  while !walk.isFinished {
    for request in walk.nextRequests(limit: 16) {
      try walk.supply(try #require(nodes[request.id]), id: request.id)
    }
    chunks += walk.nextChunks(limit: 100)
  }
  return chunks
}

/// The nodes of a tree by id.
func byID(_ nodes: [SealedNode]) -> [Digest: [UInt8]] {
  Dictionary(nodes.map { ($0.reference.id, $0.bytes) }, uniquingKeysWith: { first, _ in first })
}

/// A vector file of `Schema/vectors`.
func vectors<File: Decodable>(_ name: String, as type: File.Type = File.self) throws -> File {
  let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Schema/vectors")
  return try JSONDecoder().decode(type, from: Data(contentsOf: folder.appending(path: name)))
}

/// Bytes that stand in a vector file as hexadecimal digits.
struct HexBytes: Decodable, Equatable {
  let bytes: [UInt8]

  init(from decoder: any Decoder) throws {
    bytes = try #require([UInt8](hex: try decoder.singleValueContainer().decode(String.self)))
  }

  func digest() throws -> Digest { try #require(Digest(bytes)) }
  func key() throws -> ObjectKey { try #require(ObjectKey(bytes)) }
  func secret() throws -> GenerationSecret {
    var bytes = bytes
    return try GenerationSecret(SecretBytes(consuming: &bytes))
  }
}

extension AES256GCM {
  /// Seals a message that is an array.
  mutating func seal(_ message: [UInt8], key: [UInt8], associatedData: [UInt8]) -> [UInt8] {
    var output = [UInt8](repeating: 0, count: message.count + AES256GCM.tagByteCount)
    message.withUnsafeBytes { message in
      key.withUnsafeBytes { key in
        associatedData.withUnsafeBytes { data in
          output.withUnsafeMutableBytes { seal(message, key: key, associatedData: data, into: $0) }
        }
      }
    }
    return output
  }

  /// Opens into an array.
  mutating func open(
    _ sealed: [UInt8], key: [UInt8], associatedData: [UInt8], into output: inout [UInt8]
  ) -> Bool {
    sealed.withUnsafeBytes { sealed in
      key.withUnsafeBytes { key in
        associatedData.withUnsafeBytes { data in
          output.withUnsafeMutableBytes { open(sealed, key: key, associatedData: data, into: $0) }
        }
      }
    }
  }
}

/// The code of what a closure throws; nil when it throws nothing.
func code(_ body: () throws -> Void) -> PosternError.Code? {
  do {
    try body()
    return nil
  } catch let error as PosternError {
    return error.code
  } catch {
    return "test.other-error"
  }
}
