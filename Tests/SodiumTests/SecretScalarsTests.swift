import Core
import Sodium
import Testing

@Suite struct SecretScalarsTests {
  @Test func secretAndPublicArithmeticAgree() {
    var row = SecretScalars(count: 4)
    for index in 0..<3 { row.setHash(at: index) { $0.append([UInt8(index)]) } }
    let scalars = (0..<3).map { index in Scalar { $0.append([UInt8(index)]) } }
    let other = Point(hashing: "another")
    for index in 0..<3 {
      let multiples = [row.multiple(of: .generator, at: index), row.multiple(of: other, at: index)]
      #expect(multiples == [scalars[index] * .generator, scalars[index] * other])
      #expect(bytes(of: row, at: index) == scalars[index].bytes)
    }
    let inverse = row.inverse(at: 1)
    let back = inverse.multiple(of: scalars[1] * other, at: 0)
    #expect(back == other)
    let response = row.response(at: 0, to: scalars[2], for: row, at: 1)
    #expect(response == scalars[0] - scalars[2] * scalars[1])
    let zeros = [row.isZero(at: 3), row.isZero(at: 0)]
    #expect(zeros == [true, false])
  }

  @Test func polynomialsAreEvaluated() {
    var coefficients = SecretScalars(count: 3)
    for index in 0..<3 { coefficients.setHash(at: index) { $0.append([UInt8(index)]) } }
    let scalars = (0..<3).map { index in Scalar { $0.append([UInt8(index)]) } }
    var row = SecretScalars(count: 2)
    row.setValue(at: 0, of: coefficients, termCount: 1, argument: 1_024)
    row.setValue(at: 1, of: coefficients, termCount: 3, argument: 7)
    #expect(bytes(of: row, at: 0) == scalars[0].bytes)
    let expected = scalars[0] + Scalar(7) * scalars[1] + Scalar(49) * scalars[2]
    #expect(bytes(of: row, at: 1) == expected.bytes)
    let single = SecretScalars { $0.append([1]) }
    row.set(at: 0, to: single, at: 0)
    #expect(bytes(of: row, at: 0) == scalars[1].bytes)
  }

  private func bytes(of row: borrowing SecretScalars, at index: Int) -> [UInt8] {
    row.withUnsafeBytes(at: index) { Array($0) }
  }
}
