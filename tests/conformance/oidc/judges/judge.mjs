// Two clients that others wrote, driven by pytest: one JSON object a line on stdin, one on stdout. Kept: what a client keeps between its steps.
import dns from "node:dns";
import readline from "node:readline";
import * as client from "openid-client";
import * as oauth from "oauth4webapi";

// names under .localhost are this machine (RFC 6761); the C library does not know them
const lookup = dns.lookup;
dns.lookup = (name, options, done) => {
  if (!name.endsWith(".localhost")) return lookup(name, options, done);
  if (typeof options === "function") return options(null, "127.0.0.1", 4);
  return options?.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4);
};

const kept = new Map();

async function keyOf(jwk, alg) {
  const algorithm = alg === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
  const { use, key_ops, alg: _, kid, ...bare } = jwk;
  return { key: await crypto.subtle.importKey("jwk", bare, algorithm, false, ["sign"]), kid };
}

async function proofKeys(alg) {
  return oauth.generateKeyPair(alg);
}

const tokensOf = (answer) => ({
  access_token: answer.access_token,
  token_type: answer.token_type,
  refresh_token: answer.refresh_token,
  id_token: answer.id_token,
  scope: answer.scope,
  expires_in: answer.expires_in,
});

// ---- openid-client -----------------------------------------------------------------------------------------------------------
const openid = {
  async open({ name, issuer, client_id, jwk, alg, dpop, id_alg }) {
    const auth = jwk ? client.PrivateKeyJwt(await keyOf(jwk, alg)) : client.None();
    const metadata = { id_token_signed_response_alg: id_alg };
    const config = await client.discovery(new URL(issuer), client_id, metadata, auth, { execute: [client.allowInsecureRequests] });
    client.enableNonRepudiationChecks(config);
    const pair = dpop ? await proofKeys(dpop) : undefined;
    kept.set(name, { config, handle: pair ? client.getDPoPHandle(config, pair) : undefined });
    return config.serverMetadata();
  },
  async start({ name, params, par }) {
    const at = kept.get(name);
    at.verifier = client.randomPKCECodeVerifier();
    at.nonce = client.randomNonce();
    at.state = client.randomState();
    const asked = {
      scope: "openid",
      state: at.state,
      nonce: at.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(at.verifier),
      code_challenge_method: "S256",
      ...params,
    };
    if ("max_age" in asked) at.maxAge = Number(asked.max_age);
    const build = par ? client.buildAuthorizationUrlWithPAR : client.buildAuthorizationUrl;
    return { url: (await build(at.config, asked, { DPoP: at.handle })).href };
  },
  async finish({ name, url }) {
    const at = kept.get(name);
    const checks = { pkceCodeVerifier: at.verifier, expectedNonce: at.nonce, expectedState: at.state, maxAge: at.maxAge };
    const answer = await client.authorizationCodeGrant(at.config, new URL(url), checks, undefined, { DPoP: at.handle });
    at.tokens = answer;
    return { ...tokensOf(answer), claims: answer.claims() };
  },
  async userinfo({ name }) {
    const at = kept.get(name);
    return client.fetchUserInfo(at.config, at.tokens.access_token, at.tokens.claims().sub, { DPoP: at.handle });
  },
  async refresh({ name, other_key, token }) {
    const at = kept.get(name);
    if (other_key) at.handle = client.getDPoPHandle(at.config, await proofKeys(other_key));
    const answer = await client.refreshTokenGrant(at.config, token ?? at.tokens.refresh_token, undefined, { DPoP: at.handle });
    if (answer.id_token) at.tokens = answer;
    return tokensOf(answer);
  },
  async revoke({ name, token, hint }) {
    const at = kept.get(name);
    await client.tokenRevocation(at.config, token, hint ? { token_type_hint: hint } : undefined);
    return {};
  },
  async introspect({ name, token }) {
    return client.tokenIntrospection(kept.get(name).config, token);
  },
  async logout({ name, params }) {
    const at = kept.get(name);
    return { url: client.buildEndSessionUrl(at.config, { id_token_hint: at.tokens.id_token, ...params }).href };
  },
};

// ---- oauth4webapi: the same, every step by hand ------------------------------------------------------------------------------
const plain = { [oauth.allowInsecureRequests]: true };
const webapi = {
  async open({ name, issuer, client_id, jwk, alg, dpop, id_alg }) {
    const url = new URL(issuer);
    const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, plain));
    const auth = jwk ? oauth.PrivateKeyJwt(await keyOf(jwk, alg)) : oauth.None();
    const me = { client_id, id_token_signed_response_alg: id_alg };
    const options = { ...plain };
    if (dpop) options.DPoP = oauth.DPoP(me, await proofKeys(dpop));
    kept.set(name, { as, auth, me, options });
    return as;
  },
  async start({ name, params, par }) {
    const at = kept.get(name);
    at.verifier = oauth.generateRandomCodeVerifier();
    at.nonce = oauth.generateRandomNonce();
    at.state = oauth.generateRandomState();
    at.redirect = params.redirect_uri;
    if ("max_age" in params) at.maxAge = Number(params.max_age);
    const asked = new URLSearchParams({
      client_id: at.me.client_id,
      response_type: "code",
      scope: "openid",
      state: at.state,
      nonce: at.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(at.verifier),
      code_challenge_method: "S256",
      ...params,
    });
    const url = new URL(at.as.authorization_endpoint);
    if (!par) {
      for (const [one, value] of asked) url.searchParams.set(one, value);
      return { url: url.href };
    }
    const send = () => oauth.pushedAuthorizationRequest(at.as, at.me, at.auth, asked, at.options);
    let pushed;
    try {
      pushed = await oauth.processPushedAuthorizationResponse(at.as, at.me, await send());
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      pushed = await oauth.processPushedAuthorizationResponse(at.as, at.me, await send());
    }
    url.searchParams.set("client_id", at.me.client_id);
    url.searchParams.set("request_uri", pushed.request_uri);
    return { url: url.href, expires_in: pushed.expires_in };
  },
  async finish({ name, url }) {
    const at = kept.get(name);
    const checked = oauth.validateAuthResponse(at.as, at.me, new URL(url), at.state);
    const response = await oauth.authorizationCodeGrantRequest(at.as, at.me, at.auth, checked, at.redirect, at.verifier, at.options);
    const answer = await oauth.processAuthorizationCodeResponse(at.as, at.me, response, {
      expectedNonce: at.nonce,
      maxAge: at.maxAge,
      requireIdToken: true,
    });
    await oauth.validateApplicationLevelSignature(at.as, response, plain);
    at.tokens = answer;
    at.claims = oauth.getValidatedIdTokenClaims(answer);
    return { ...tokensOf(answer), claims: at.claims };
  },
  async userinfo({ name }) {
    const at = kept.get(name);
    const response = await oauth.userInfoRequest(at.as, at.me, at.tokens.access_token, at.options);
    return oauth.processUserInfoResponse(at.as, at.me, at.claims.sub, response);
  },
  async refresh({ name, other_key, token }) {
    const at = kept.get(name);
    const options = other_key ? { ...plain, DPoP: oauth.DPoP(at.me, await proofKeys(other_key)) } : at.options;
    const response = await oauth.refreshTokenGrantRequest(at.as, at.me, at.auth, token ?? at.tokens.refresh_token, options);
    return tokensOf(await oauth.processRefreshTokenResponse(at.as, at.me, response));
  },
  async revoke({ name, token }) {
    const at = kept.get(name);
    await oauth.processRevocationResponse(await oauth.revocationRequest(at.as, at.me, at.auth, token, plain));
    return {};
  },
  async introspect({ name, token }) {
    const at = kept.get(name);
    return oauth.processIntrospectionResponse(at.as, at.me, await oauth.introspectionRequest(at.as, at.me, at.auth, token, plain));
  },
  // an answer with another state, another issuer, or of nobody: the judge must be able to refuse, or it judges nothing
  async refuses({ name, url }) {
    const at = kept.get(name);
    try {
      oauth.validateAuthResponse(at.as, at.me, new URL(url), at.state);
      return { refused: false };
    } catch (error) {
      return { refused: true, error: String(error.message) };
    }
  },
};

const judges = { "openid-client": openid, oauth4webapi: webapi };

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, judge, step, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { id, ok: true, value: await judges[judge][step](rest) };
  } catch (error) {
    const challenge = Array.isArray(error.cause) ? error.cause[0]?.parameters?.error : undefined;
    const oauthError = error.error ?? error.cause?.error ?? challenge;
    answer = { id, ok: false, error: oauthError, status: error.status, message: String(error.message), cause: String(error.cause?.message ?? "") };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
