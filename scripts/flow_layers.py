"""Makes testdata/golden/flow_layers: what layers of a flow compute, in double precision with PyTorch.

    python scripts/flow_layers.py testdata/golden/flow_layers

Formulas are those of the papers: rotations by Cayley's formula, rational-quadratic splines (arXiv 1906.04032, equations
4 to 8, the inverse by the quadratic formula), mixtures of logistics (arXiv 1902.00275, the inverse by bisection), and
metablocks (arXiv 2412.06329) whose scales are a softplus, softly limited (docs/method.md, section 4).
"""

import math
import os
import sys

import torch
from safetensors.torch import save_file

torch.set_default_dtype(torch.float64)
K, D, N, PARTS, BOUND = 3, 4, 5, 6, 3.0
LEAST = 1e-3  # of the size of a bin, as a share of all, and of a slope
WIDTH, HEAD_DIM, EXPANSION, LIMIT = 8, 4, 2, 5.0  # of metablocks


def softplus(x):
    return torch.nn.functional.softplus(x)


class Linear:
    shapes = {"skew": (D, D)}

    def matrix(self, p):
        a, one = p - p.T, torch.eye(D)
        return torch.linalg.solve(one + a, one - a)

    def forward(self, x, p):
        return x @ self.matrix(p).T, torch.zeros(x.shape[:1])

    def inverse(self, y, p):
        return y @ self.matrix(p)


class Spline:
    shapes = {"curves": (K * D, 3 * PARTS - 1)}

    def knots(self, p):
        def place(raw):
            sizes = LEAST + (1 - LEAST * PARTS) * torch.softmax(raw, -1)
            at = torch.cat([torch.zeros(raw.shape[:-1] + (1,)), torch.cumsum(sizes, -1)], -1)
            return -BOUND + 2 * BOUND * at

        p = p.reshape(K, D, -1)
        inner = LEAST + softplus(p[..., 2 * PARTS:] + math.log(math.expm1(1 - LEAST)))
        one = torch.ones(K, D, 1)
        return place(p[..., :PARTS]), place(p[..., PARTS:2 * PARTS]), torch.cat([one, inner, one], -1)

    def around(self, x, p, inverse):
        places = [k.expand(x.shape[0], K, D, -1) for k in self.knots(p)]
        bins = torch.searchsorted(places[1 if inverse else 0].contiguous(), x[..., None].contiguous(), right=True) - 1
        bins = bins.clamp(0, PARTS - 1)
        return [v.gather(-1, bins + i)[..., 0] for v in places for i in (0, 1)]

    def forward(self, x, p):
        x0, x1, y0, y1, d0, d1 = self.around(x, p, False)
        s, t = (y1 - y0) / (x1 - x0), (x - x0) / (x1 - x0)
        den = s + (d1 + d0 - 2 * s) * t * (1 - t)
        y = y0 + (y1 - y0) * (s * t ** 2 + d0 * t * (1 - t)) / den
        slope = s ** 2 * (d1 * t ** 2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2) / den ** 2
        inside = x.abs() < BOUND
        return torch.where(inside, y, x), torch.where(inside, slope.log(), torch.zeros(())).sum((1, 2))

    def inverse(self, y, p):
        x0, x1, y0, y1, d0, d1 = self.around(y, p, True)
        s, h = (y1 - y0) / (x1 - x0), y1 - y0
        a = h * (s - d0) + (y - y0) * (d1 + d0 - 2 * s)
        b = h * d0 - (y - y0) * (d1 + d0 - 2 * s)
        c = -s * (y - y0)
        x = x0 + 2 * c / (-b - torch.sqrt(b ** 2 - 4 * a * c)) * (x1 - x0)
        return torch.where(y.abs() < BOUND, x, y)


class Logistic:
    shapes = {"curves": (K * D, 3 * PARTS)}

    def parts(self, x, p):
        logits, means, scales = p.reshape(K, D, 3, PARTS).unbind(2)
        z = (x[..., None] - means) / scales.exp()
        w = torch.softmax(logits, -1)
        return z, w, scales, (w * torch.sigmoid(z)).sum(-1)

    def forward(self, x, p):
        z, w, scales, below = self.parts(x, p)
        density = (w * torch.sigmoid(z) * torch.sigmoid(-z) / scales.exp()).sum(-1)
        return torch.logit(below), (density / (below * (1 - below))).log().sum((1, 2))

    def inverse(self, y, p):
        low, high = torch.full_like(y, -200.0), torch.full_like(y, 200.0)
        for _ in range(200):
            middle = (low + high) / 2
            above = self.parts(middle, p)[3] > torch.sigmoid(y)
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return (low + high) / 2


class MetaBlock:
    shapes = {"proj_in.weight": (WIDTH, D), "proj_in.bias": (WIDTH,), "pos_embed": (K, WIDTH)}
    for name, rows, columns in [("attention.norm", WIDTH, 0), ("attention.qkv", 3 * WIDTH, WIDTH), ("attention.proj", WIDTH, WIDTH),
                                ("mlp.norm", WIDTH, 0), ("mlp.main.0", EXPANSION * WIDTH, WIDTH), ("mlp.main.2", WIDTH, EXPANSION * WIDTH)]:
        shapes[f"attn_blocks.0.{name}.weight"] = (rows, columns) if columns else (rows,)
        shapes[f"attn_blocks.0.{name}.bias"] = (rows,)
    shapes |= {"proj_out.weight": (2 * D, WIDTH), "proj_out.bias": (2 * D,)}

    def __init__(self, flip):
        self.flip = flip

    def turned(self, x):
        return x.flip(1) if self.flip else x

    def predict(self, w, p):
        """What each of the rows w, in the block's own order, says of the next one: a log-scale and a shift."""
        def linear(name, x):
            return x @ p[name + ".weight"].T + p[name + ".bias"]

        def norm(name, x):
            x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + 1e-5)
            return x * p[name + ".weight"] + p[name + ".bias"]

        def heads(x):
            return x.reshape(*x.shape[:2], WIDTH // HEAD_DIM, HEAD_DIM).transpose(1, 2)

        rows, at = w.shape[1], "attn_blocks.0."
        places = p["pos_embed"].flip(0) if self.flip else p["pos_embed"]
        h = linear("proj_in", w) + places[:rows]
        q, k, v = map(heads, linear(at + "attention.qkv", norm(at + "attention.norm", h)).split(WIDTH, -1))
        later = torch.ones(rows, rows, dtype=torch.bool).triu(1)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(HEAD_DIM)).masked_fill(later, -math.inf).softmax(-1)
        h = h + linear(at + "attention.proj", (weights @ v).transpose(1, 2).reshape(h.shape))
        h = h + linear(at + "mlp.main.2", torch.nn.functional.gelu(linear(at + "mlp.main.0", norm(at + "mlp.norm", h))))
        a, shift = linear("proj_out", h).split(D, -1)
        return LIMIT * torch.tanh(softplus(a + math.log(math.e - 1)).log() / LIMIT), shift

    def forward(self, x, p):
        w = self.turned(x)
        a, shift = (torch.cat([torch.zeros_like(w[:, :1]), v[:, :-1]], 1) for v in self.predict(w, p))
        return self.turned((w - shift) / a.exp()), -a.sum((1, 2))

    def inverse(self, y, p):
        v = self.turned(y)
        w = v[:, :1]
        for row in range(1, K):
            a, shift = (v[:, -1] for v in self.predict(w, p))
            w = torch.cat([w, (v[:, row] * a.exp() + shift)[:, None]], 1)
        return self.turned(w)


def make(folder, name, layers):
    random = torch.Generator().manual_seed(sum(map(ord, name)))
    draw = lambda *shape: torch.randn(*shape, generator=random).float().double()
    own = [{k: ((0.2 if isinstance(l, MetaBlock) else 0.5) * draw(*shape)).float().double().requires_grad_() for k, shape in l.shapes.items()} for l in layers]
    params = {f"blocks.{i}.{k}": v for i, p in enumerate(own) for k, v in p.items()}
    own = [p if isinstance(l, MetaBlock) else next(iter(p.values())) for l, p in zip(layers, own)]
    e = (1.5 * draw(N, K, D)).float().double().requires_grad_()

    def forward(x):
        logdet = torch.zeros(x.shape[:1])
        for l, p in zip(layers, own):
            x, more = l.forward(x, p)
            logdet = logdet + more
        return x, logdet

    u, logdet = forward(e)
    logp = -(u ** 2 + math.log(2 * math.pi)).sum((1, 2)) / 2 + logdet
    loss = -logp.sum()
    loss.backward()
    back = u.detach().float().double()
    out = {"e": e, "u": u, "logdet": logdet, "logp": logp, "loss": loss.reshape(1), "grad.e": e.grad}
    out["z"] = draw(N, K, D)
    for target, start in (("e_rec", back), ("e_from_z", out["z"])):
        for l, p in reversed(list(zip(layers, own))):
            start = l.inverse(start, p)
        out[target] = start
    jacobians = [torch.autograd.functional.jacobian(lambda x: forward(x[None])[0][0], x).reshape(K * D, K * D) for x in e.detach()]
    out["jacobian_logabsdet"] = torch.stack([torch.linalg.slogdet(j)[1] for j in jacobians])
    for k, v in params.items():
        out["param." + k], out["grad." + k] = v, v.grad
    metadata = {"stack": ",".join(type(l).__name__.lower() for l in layers), "parts": str(PARTS), "bound": str(int(BOUND))}
    if "metablock" in metadata["stack"]:
        metadata["scale"] = "softplus"
    save_file({k: v.detach().float().contiguous() for k, v in out.items()}, os.path.join(folder, name + ".safetensors"), metadata)


if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    stacks = {"linear": [Linear()], "spline": [Spline()], "logistic": [Logistic()], "stack": [Linear(), Spline(), Linear(), Logistic()],
              "softplus": [MetaBlock(False), MetaBlock(True)], "stack_softplus": [Linear(), MetaBlock(False), Spline()]}
    for name, layers in stacks.items():
        make(sys.argv[1], name, layers)
