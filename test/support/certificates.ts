import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isInstalled } from './broker-process';

/** Paths of a certificate and its private key. */
interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority that openssl creates for one test run. */
export class CertificateAuthority {
  /** Path of the authority's certificate. */
  readonly ca: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  readonly #key: string;
  #count = 0;

  constructor() {
    this.ca = join(this.#folder, 'ca.crt');
    this.#key = join(this.#folder, 'ca.key');
    this.#openssl('req', '-x509', ...newKey(this.#key), '-out', this.ca, '-days', '2', '-subj', '/CN=test authority');
  }

  get pem(): Buffer {
    return readFileSync(this.ca);
  }

  /**
   * Issues a certificate.
   *
   * @param names alternative names, for instance `IP:127.0.0.1` or `DNS:localhost`
   * @param days validity; negative for an expired certificate
   */
  issue(names: string, days = 2): CertificateFiles {
    this.#count += 1;
    const path = join(this.#folder, String(this.#count));
    const [cert, key, request, extensions] = [`${path}.crt`, `${path}.key`, `${path}.csr`, `${path}.ext`];
    writeFileSync(extensions, `subjectAltName=${names}\n`);
    this.#openssl('req', ...newKey(key), '-out', request, '-subj', '/CN=test');
    const signing = ['-CA', this.ca, '-CAkey', this.#key, '-CAcreateserial', '-days', String(days)];
    this.#openssl('x509', '-req', '-in', request, ...signing, '-extfile', extensions, '-out', cert);
    return { cert, key };
  }

  /** Deletes all files of the authority. */
  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}

/** Returns whether openssl is installed, which makes the certificates. @throws {Error} if it is missing and CI is set */
export function opensslAvailable(): boolean {
  return isInstalled('openssl');
}

function newKey(path: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path];
}
