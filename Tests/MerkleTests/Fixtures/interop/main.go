// Reads a log's key, a checkpoint, proofs and leaves from a folder and checks them with the packages of Go's
// checksum database; then leaves a note of its own, so that the other side is tried too.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func read(folder, name string) string {
	bytes, err := os.ReadFile(filepath.Join(folder, name))
	check(err)
	return string(bytes)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	check(err)
	return value
}

func hash(text string) (value tlog.Hash) {
	bytes, err := hex.DecodeString(text)
	check(err)
	copy(value[:], bytes)
	return value
}

func hashes(texts []string) (values []tlog.Hash) {
	for _, text := range texts {
		values = append(values, hash(text))
	}
	return values
}

func main() {
	folder := os.Args[1]
	verifier, err := note.NewVerifier(read(folder, "vkey"))
	check(err)
	opened, err := note.Open([]byte(read(folder, "checkpoint")), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(opened.Text, "\n")
	root, err := tlog.ParseHash(lines[2])
	check(err)
	size := number(lines[1])

	// Lines: "leaf INDEX DATA PATH..." and "tree SIZE ROOT PATH...", numbers in decimal, the rest in hexadecimal.
	count := 0
	for scanner := bufio.NewScanner(strings.NewReader(read(folder, "proofs"))); scanner.Scan(); count++ {
		words := strings.Fields(scanner.Text())
		at := number(words[1])
		if words[0] == "leaf" {
			data, err := hex.DecodeString(words[2])
			check(err)
			check(tlog.CheckRecord(hashes(words[3:]), size, root, at, tlog.RecordHash(data)))
		} else {
			check(tlog.CheckTree(hashes(words[3:]), size, root, at, hash(words[2])))
		}
	}

	secret, public, err := note.GenerateKey(rand.Reader, "go.example/log")
	check(err)
	signer, err := note.NewSigner(secret)
	check(err)
	signed, err := note.Sign(&note.Note{Text: opened.Text}, signer)
	check(err)
	check(os.WriteFile(filepath.Join(folder, "go-vkey"), []byte(public), 0o600))
	check(os.WriteFile(filepath.Join(folder, "go-note"), signed, 0o600))
	fmt.Println(count)
}
