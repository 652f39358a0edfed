"""L-BFGS of many problems against solutions in closed form."""

import torch

from gan.latents.lbfgs import Lbfgs


def quadratic(count: int = 3, dim: int = 6):
    """1/2 (x - x*) A (x - x*) with eigenvalues 1 to 1000; (matrices, solutions)."""
    random = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(count, dim, dim, generator=random, dtype=torch.float64))[0]
    values = torch.logspace(0, 3, dim, dtype=torch.float64)
    matrices = basis * values @ basis.mT
    return matrices, torch.randn(count, dim, generator=random, dtype=torch.float64)


def descend(problem, steps: int, descent: Lbfgs) -> Lbfgs:
    matrices, wanted = problem
    for _ in range(steps):
        apart = descent.x - wanted
        gradient = (matrices @ apart[..., None])[..., 0]
        descent.tell(0.5 * (apart * gradient).sum(dim=1), gradient)
    return descent


def begun(count: int = 3, dim: int = 6) -> Lbfgs:
    return Lbfgs(torch.zeros(count, dim, dtype=torch.float64), torch.full((count,), 0.1))


def test_quadratic_functions_are_solved():
    problem = quadratic()
    descent = descend(problem, 60, begun())
    torch.testing.assert_close(descent.best, problem[1], atol=1e-6, rtol=0)


def test_no_problem_sees_another():
    matrices, wanted = quadratic()
    together = descend((matrices, wanted), 15, begun())
    alone = descend((matrices[1:2], wanted[1:2]), 15, begun(1))
    torch.testing.assert_close(together.best[1:2], alone.best, atol=1e-9, rtol=0)


def test_the_first_step_has_the_length_that_was_asked_for():
    problem = quadratic()
    descent = descend(problem, 1, begun())
    torch.testing.assert_close(descent.x.norm(dim=1), torch.full((3,), 0.1, dtype=torch.float64))


def test_a_step_too_far_is_shortened_and_the_best_stays():
    descent = Lbfgs(torch.zeros(1, 1), torch.tensor([10.0]))
    descent.tell(torch.tensor([1.0]), torch.tensor([[-1.0]]))
    assert descent.x.item() == 10
    descent.tell(torch.tensor([41.0]), torch.tensor([[9.0]]))  # a parabola with its lowest point at 1
    assert descent.best.item() == 0
    assert descent.x.item() == 1.0


def test_a_state_goes_on_bit_for_bit():
    problem = quadratic()
    whole = descend(problem, 20, begun())
    first = descend(problem, 9, begun())
    second = begun()
    second.restore(first.state())
    assert torch.equal(descend(problem, 11, second).best, whole.best)


def test_a_valley_that_bends():
    """Rosenbrock's function from its usual start: the lowest value is at (1, 1)."""
    descent = Lbfgs(torch.tensor([[-1.2, 1.0]], dtype=torch.float64), torch.tensor([0.1]))
    for _ in range(150):
        x = descent.x.clone().requires_grad_()
        value = 100 * (x[:, 1] - x[:, 0] ** 2) ** 2 + (1 - x[:, 0]) ** 2
        (gradient,) = torch.autograd.grad(value.sum(), x)
        descent.tell(value.detach(), gradient)
    torch.testing.assert_close(descent.best, torch.ones(1, 2, dtype=torch.float64), atol=1e-4, rtol=0)
